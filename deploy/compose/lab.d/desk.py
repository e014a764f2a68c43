#!/usr/bin/python3
import sys, world
if sys.argv[1] == "setup":
    world.setup()
