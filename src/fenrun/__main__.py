"""python -m fenrun"""

from fenrun.cli import main

main()
