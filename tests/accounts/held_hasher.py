"""A password hasher that takes as long as a test wants, and says how many are at it."""

import threading

from django.contrib.auth.hashers import MD5PasswordHasher

at_once = threading.Semaphore(0)
may_end = threading.Event()
lock = threading.Lock()
present: list[int] = [0]
most: list[int] = [0]


class HeldHasher(MD5PasswordHasher):
    """MD5 that waits before it answers."""

    def encode(self, password: str, salt: str) -> str:
        with lock:
            present[0] += 1
            most[0] = max(most[0], present[0])
        at_once.release()
        may_end.wait(60)
        with lock:
            present[0] -= 1
        return super().encode(password, salt)
