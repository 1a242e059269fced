"""`python -m compile_doctor` is the same as `compile-doctor`."""

from compile_doctor.cli import main

if __name__ == "__main__":
    main()
