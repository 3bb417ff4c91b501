/* The functions of udp.h on Linux. The options are younger than some C libraries. */
#if defined(__linux__)

#include "base/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* ---- The way out ----------------------------------------------------------------------------- */

union segment_control {
  char bytes[CMSG_SPACE(sizeof(uint16_t))];
  struct cmsghdr header;
};

bool enetjs_udp_segments(enetjs_fd fd) {
  int value;
  return enetjs_socket_get(fd, SOL_UDP, UDP_SEGMENT, &value);
}

static void set_segment(struct msghdr *header, union segment_control *control, size_t segment) {
  struct cmsghdr *part = &control->header;
  uint16_t size = (uint16_t)segment;
  header->msg_control = control;
  header->msg_controllen = sizeof(*control);
  part->cmsg_level = SOL_UDP;
  part->cmsg_type = UDP_SEGMENT;
  part->cmsg_len = CMSG_LEN(sizeof(size));
  memcpy(CMSG_DATA(part), &size, sizeof(size));
}

int enetjs_udp_send(enetjs_fd fd, struct enetjs_udp_message *messages, unsigned count) {
  struct mmsghdr headers[ENETJS_UDP_OUT];
  union segment_control controls[ENETJS_UDP_OUT];
  if (count > ENETJS_UDP_OUT) count = ENETJS_UDP_OUT;
  for (unsigned i = 0; i < count; i++) {
    struct msghdr *header = &headers[i].msg_hdr;
    memset(header, 0, sizeof(*header));
    header->msg_name = &messages[i].to;
    header->msg_namelen = messages[i].to_bytes;
    header->msg_iov = messages[i].parts;
    header->msg_iovlen = messages[i].count;
    if (messages[i].segment > 0) set_segment(header, &controls[i], messages[i].segment);
  }
  return sendmmsg(fd, headers, count, MSG_NOSIGNAL);
}

/* ---- The way in ------------------------------------------------------------------------------ */

union joined_control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr header;
};

struct enetjs_udp_in {
  unsigned used; /* messages that the system has written to */
  struct mmsghdr message[ENETJS_UDP_IN];
  struct iovec vector[ENETJS_UDP_IN];
  union enetjs_sockaddr from[ENETJS_UDP_IN];
  union joined_control control[ENETJS_UDP_IN];
  uint8_t bytes[ENETJS_UDP_IN][ENETJS_UDP_IN_BYTES];
};

/* Before each use, for the system writes to the lengths. */
static void make_ready(struct enetjs_udp_in *in, unsigned index) {
  in->message[index].msg_hdr.msg_namelen = sizeof(in->from[index]);
  in->message[index].msg_hdr.msg_controllen = sizeof(in->control[index]);
}

struct enetjs_udp_in *enetjs_udp_in_create(enetjs_fd fd) {
  struct enetjs_udp_in *in = malloc(sizeof(*in));
  if (!in) return NULL;
  in->used = 0;
  memset(in->message, 0, sizeof(in->message));
  for (unsigned i = 0; i < ENETJS_UDP_IN; i++) {
    struct msghdr *header = &in->message[i].msg_hdr;
    in->vector[i].iov_base = in->bytes[i];
    in->vector[i].iov_len = ENETJS_UDP_IN_BYTES;
    header->msg_iov = &in->vector[i];
    header->msg_iovlen = 1;
    header->msg_name = &in->from[i];
    header->msg_control = &in->control[i];
    make_ready(in, i);
  }
  /* A system without it refuses, and then each message is one datagram. */
  (void)enetjs_socket_set(fd, SOL_UDP, UDP_GRO, 1);
  return in;
}

void enetjs_udp_in_destroy(struct enetjs_udp_in *in) { free(in); }

int enetjs_udp_in_fetch(struct enetjs_udp_in *in, enetjs_fd fd, bool *emptied) {
  int count;
  for (unsigned i = 0; i < in->used; i++) make_ready(in, i);
  in->used = 0;
  count = recvmmsg(fd, in->message, ENETJS_UDP_IN, MSG_DONTWAIT, NULL);
  if (count < 0) return errno == EAGAIN || enetjs_socket_error_reported(errno) ? 0 : -1;
  *emptied = count < ENETJS_UDP_IN;
  in->used = (unsigned)count;
  return count;
}

static size_t segment_of(struct mmsghdr *message) {
  struct cmsghdr *part = CMSG_FIRSTHDR(&message->msg_hdr);
  for (; part; part = CMSG_NXTHDR(&message->msg_hdr, part))
    if (part->cmsg_level == SOL_UDP && part->cmsg_type == UDP_GRO) {
      int size;
      memcpy(&size, CMSG_DATA(part), sizeof(size));
      if (size > 0) return (size_t)size;
    }
  return message->msg_len;
}

struct enetjs_udp_fetched enetjs_udp_in_at(struct enetjs_udp_in *in, unsigned index) {
  struct mmsghdr *message = &in->message[index];
  struct enetjs_udp_fetched fetched = {&in->from[index], in->bytes[index], message->msg_len,
                                       segment_of(message), (message->msg_hdr.msg_flags & MSG_TRUNC) != 0};
  return fetched;
}

#else

typedef int enetjs_no_linux_udp; /* a file of C is not empty */

#endif
