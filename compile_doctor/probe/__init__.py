"""What runs inside the target's process: the only code of the doctor that imports torch."""
