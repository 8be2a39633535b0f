# A chat server that is one loop: what one says is sent to all.
import selectors, socket, sys

server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
server.setblocking(False)
loop = selectors.DefaultSelector()
loop.register(server, selectors.EVENT_READ)
clients = {}  # socket: what it has sent of a line, what it has to get


def flush(c):
    mine = clients[c]
    try:
        sent = c.send(mine[1])
        del mine[1][:sent]
    except BlockingIOError:
        pass
    except OSError:
        mine[1].clear()
    loop.modify(c, selectors.EVENT_READ | (selectors.EVENT_WRITE if mine[1] else 0))


def read(c):
    try:
        data = c.recv(65536)
    except OSError:
        data = b""
    if not data:
        loop.unregister(c)
        del clients[c]
        c.close()
        return b""
    clients[c][0] += data
    whole, _, rest = clients[c][0].rpartition(b"\n")
    clients[c][0] = rest
    return whole + b"\n" if whole else b""


while True:
    said = b""
    for key, events in loop.select():
        c = key.fileobj
        if c is server:
            c, _ = server.accept()
            c.setblocking(False)
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            clients[c] = [b"", bytearray(b"welcome\n")]
            loop.register(c, selectors.EVENT_READ | selectors.EVENT_WRITE)
            continue
        if events & selectors.EVENT_READ:
            said += read(c)
        if events & selectors.EVENT_WRITE and c in clients:
            flush(c)
    if said:
        for c in list(clients):
            clients[c][1] += said
            flush(c)
