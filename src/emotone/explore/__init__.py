"""What a corpus holds and how its emotions sound: each function gives a picture and its table."""

from emotone.explore.finding import Finding as Finding
