# A chat server with a thread for each client: what one says is sent to all.
import socket, sys, threading

clients, lock = set(), threading.Lock()


def serve(c):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with lock:
        clients.add(c)
    c.sendall(b"welcome\n")
    try:
        for line in c.makefile("rb"):
            with lock:
                for other in clients:
                    try:
                        other.sendall(line)
                    except OSError:
                        pass
    except OSError:
        pass
    finally:
        with lock:
            clients.discard(c)
        c.close()


server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
