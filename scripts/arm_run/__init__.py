"""The package on ARM, without a board: Debian's files and PyPI's wheels for it, under qemu-user.

A processor is emulated, the kernel is this machine's: what it says of answers and of instructions that a processor does
not have holds on a board, what it takes in time and memory does not.
"""
