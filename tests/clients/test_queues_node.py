#!/usr/bin/python3
"""Job queues of Node.js, bull, bullmq and bee-queue: delayed, repeated, retried, limited jobs; workers and servers that are killed."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig


def bullmq(command):
    """bullmq"""
    rig.node(command, "bullmq.js")


def bull(command):
    """bull"""
    rig.node(command, "bull.js")


def bee_queue(command):
    """bee-queue"""
    rig.node(command, "bee_queue.js")


if __name__ == "__main__":
    rig.main(bullmq, bull, bee_queue)
