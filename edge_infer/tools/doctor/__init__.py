"""What is wrong with this machine, and what to do about it: `edge-infer check` plus the machine itself."""
