"""What a pretraining run will take, computed without paddle: ``paddle-electra plan``."""
