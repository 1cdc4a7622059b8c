"""`python -m stockwire` is `stockwire`."""

from stockwire.cli import main

if __name__ == "__main__":
    main()
