/* See plain.h. The functions are looked for once, in libenet's own file. Any thread may call. */
#ifndef ENETJS_ENET_BUILT_IN

#include "wire/plain.h"

#include <dlfcn.h>
#include <errno.h>

#include "base/threads.h"

typedef int (*send_function)(ENetSocket, const ENetAddress *, const ENetBuffer *, size_t);
typedef int (*receive_function)(ENetSocket, ENetAddress *, ENetBuffer *, size_t);

static struct {
  send_function send;
  receive_function receive;
} libenet;
static enetjs_once libenet_once = ENETJS_ONCE_INIT;

static int cannot_send(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers,
                       size_t count) {
  (void)socket, (void)address, (void)buffers, (void)count;
  errno = ENOSYS;
  return -1;
}

static int cannot_receive(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t count) {
  (void)socket, (void)address, (void)buffers, (void)count;
  errno = ENOSYS;
  return -1;
}

/* Looks in libenet itself, because any other lookup could find the functions of socket.c. */
static void find_libenet(void) {
  Dl_info info;
  void *handle = NULL;
  if (dladdr((void *)enet_linked_version, &info) != 0)
    handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  libenet.send = handle ? (send_function)dlsym(handle, "enet_socket_send") : NULL;
  libenet.receive = handle ? (receive_function)dlsym(handle, "enet_socket_receive") : NULL;
  if (!libenet.send || libenet.send == enet_socket_send) libenet.send = cannot_send;
  if (!libenet.receive || libenet.receive == enet_socket_receive) libenet.receive = cannot_receive;
}

int enetjs_plain_send(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers,
                      size_t count) {
  enetjs_once_run(&libenet_once, find_libenet);
  return libenet.send(socket, address, buffers, count);
}

int enetjs_plain_receive(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t count) {
  enetjs_once_run(&libenet_once, find_libenet);
  return libenet.receive(socket, address, buffers, count);
}

#else

typedef int enetjs_no_plain; /* a file of C is not empty */

#endif
