"""What is made of predictions: objects that are followed, and what happens with them. Pure: no clock of its own."""
