"""A network of one's own in which every address is at hand, and what was sent to each.

Every address of IPv4 and IPv6 is made local to the loopback device (Linux: a `local` route for
`default`), so that nothing gets out and nothing is silently dropped by a missing route: whatever
is tried appears there as a packet with the address it was meant for, names asked of DNS included.
"""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
PACKET_OUTGOING = 4
"""packet(7): each packet of the loopback device is seen twice, going out and coming in."""
SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 263, 6, 33
BUFFER = 64 << 20
SYN, ACK = 0x02, 0x10
ICMP_ERRORS = {1: {3, 11}, 58: {1, 3, *range(130, 138), 143}}
"""What the kernel says by itself: nobody is there; and IPv6's search for neighbours."""
PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}
SETTLED_S = 0.3


def enclose(hosts: dict[str, str], resolver: str, folder: Path) -> bool:
    """In a new network and mount namespace: loopback, the names, and a DNS server that is none.

    Gives whether IPv6 is there; a kernel without it lets nobody call by it.
    """
    route = ["route", "add", "local", "default", "dev", "lo"]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", *route], check=True)
    six = subprocess.run(["ip", "-6", *route], check=False)
    known = "".join(f"{address} {name}\n" for name, address in hosts.items())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{known}")
    (folder / "resolv.conf").write_text(f"nameserver {resolver}\noptions timeout:1 attempts:1\n")
    for name in ("hosts", "resolv.conf"):
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)
    return six.returncode == 0


class Recorder:
    """Counts what is begun: TCP's first packets, and any packet of a protocol without one."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.bind(("lo", ETH_P_ALL))
        self._seen: Counter[str] = Counter()
        self._missed = 0
        threading.Thread(target=self._read, daemon=True).start()

    def seen(self) -> Counter[str]:
        """`tcp 192.0.2.1:443` → how often, so far."""
        time.sleep(SETTLED_S)
        return Counter(self._seen)

    def missed(self) -> int:
        """Packets that came too fast to be read (packet(7), PACKET_STATISTICS)."""
        raw = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._missed += int.from_bytes(raw[4:8], "little")
        return self._missed

    def _read(self) -> None:
        while True:
            data, (_, protocol, kind, *_) = self._socket.recvfrom(256)
            if kind == PACKET_OUTGOING and (what := begun(protocol, data)):
                self._seen[what] += 1


def begun(protocol: int, data: bytes) -> str | None:
    """What a packet begins, as `protocol address:port`; None for a part of what is under way.

    RFC 791, 8200, 9293; extension headers of IPv6 count as a protocol of their own.
    """
    if protocol == ETH_P_IP:
        start, kind, raw = (data[0] & 15) * 4, data[9], data[16:20]
    elif protocol == ETH_P_IPV6:
        start, kind, raw = 40, data[6], data[24:40]
    else:
        return f"ethernet type {protocol:#06x}"
    rest, address = data[start:], ipaddress.ip_address(raw)
    if kind == 6 and (rest[13] & SYN == 0 or rest[13] & ACK):
        return None
    if rest[0] in ICMP_ERRORS.get(kind, ()):
        return None
    port = f":{int.from_bytes(rest[2:4], 'big')}" if kind in (6, 17) else ""
    shown = f"[{address}]" if address.version == 6 else str(address)
    return f"{PROTOCOLS.get(kind, kind)} {shown}{port}"
