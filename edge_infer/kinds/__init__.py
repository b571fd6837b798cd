"""What models can be: for each kind how it is recognised, what it usually needs, and the decoder it is given."""
