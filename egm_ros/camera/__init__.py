"""The camera: clips, folders, videos, bags, webcams and rendered scenes as image topics."""
