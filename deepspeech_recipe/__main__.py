"""`python -m deepspeech_recipe`"""

import sys

from deepspeech_recipe.cli import main

sys.exit(main())
