/* The functions of udp.h on POSIX systems other than Linux, which have one message for each call. */
#if !defined(__linux__) && !defined(_WIN32)

#include "base/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool enetjs_udp_segments(enetjs_fd fd) {
  (void)fd;
  return false;
}

/* ENet's socket does not wait, and a datagram raises no SIGPIPE. */
int enetjs_udp_send(enetjs_fd fd, struct enetjs_udp_message *messages, unsigned count) {
  unsigned sent = 0;
  for (; sent < count; sent++) {
    struct msghdr header;
    memset(&header, 0, sizeof(header));
    header.msg_name = &messages[sent].to;
    header.msg_namelen = messages[sent].to_bytes;
    header.msg_iov = messages[sent].parts;
    header.msg_iovlen = (int)messages[sent].count;
    if (sendmsg(fd, &header, 0) < 0) break;
  }
  return sent > 0 || count == 0 ? (int)sent : -1;
}

struct enetjs_udp_in {
  size_t length[ENETJS_UDP_IN];
  bool cut[ENETJS_UDP_IN];
  union enetjs_sockaddr from[ENETJS_UDP_IN];
  uint8_t bytes[ENETJS_UDP_IN][ENETJS_UDP_IN_BYTES];
};

struct enetjs_udp_in *enetjs_udp_in_create(enetjs_fd fd) {
  (void)fd;
  return malloc(sizeof(struct enetjs_udp_in));
}

void enetjs_udp_in_destroy(struct enetjs_udp_in *in) { free(in); }

static bool fetch_one(struct enetjs_udp_in *in, unsigned index, enetjs_fd fd) {
  struct msghdr header;
  struct iovec part;
  ssize_t length;
  memset(&header, 0, sizeof(header));
  enetjs_part_set(&part, in->bytes[index], ENETJS_UDP_IN_BYTES);
  header.msg_name = &in->from[index];
  header.msg_namelen = sizeof(in->from[index]);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  length = recvmsg(fd, &header, MSG_DONTWAIT);
  if (length < 0) return false;
  in->length[index] = (size_t)length;
  in->cut[index] = (header.msg_flags & MSG_TRUNC) != 0;
  return true;
}

int enetjs_udp_in_fetch(struct enetjs_udp_in *in, enetjs_fd fd, bool *emptied) {
  int count = 0;
  while (count < ENETJS_UDP_IN && fetch_one(in, (unsigned)count, fd)) count++;
  if (count == 0 && !enetjs_socket_error_would_block(errno)) return -1;
  *emptied = count < ENETJS_UDP_IN;
  return count;
}

struct enetjs_udp_fetched enetjs_udp_in_at(struct enetjs_udp_in *in, unsigned index) {
  struct enetjs_udp_fetched fetched = {&in->from[index], in->bytes[index], in->length[index],
                                       in->length[index], in->cut[index]};
  return fetched;
}

#else

typedef int enetjs_no_posix_udp; /* a file of C is not empty */

#endif
