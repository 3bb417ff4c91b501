/*
 * The functions of udp.h on Windows, which has one message for each call. Windows 10 (version 2004) and newer
 * send and receive several datagrams in one message; the socket tells. The numbers of the options are in
 * newer headers only.
 */
#if defined(_WIN32)

#include "base/udp.h"

#include <mswsock.h>
#include <stdlib.h>
#include <string.h>

#ifndef UDP_SEND_MSG_SIZE
#define UDP_SEND_MSG_SIZE 2
#endif
#ifndef UDP_RECV_MAX_COALESCED_SIZE
#define UDP_RECV_MAX_COALESCED_SIZE 3
#endif
#ifndef UDP_COALESCED_INFO
#define UDP_COALESCED_INFO 3
#endif

/* A control message whose value is one number. */
union number_control {
  char bytes[WSA_CMSG_SPACE(sizeof(DWORD))];
  WSACMSGHDR header;
};

/* ---- The way out ----------------------------------------------------------------------------- */

bool enetjs_udp_segments(enetjs_fd fd) {
  int value;
  return enetjs_socket_get(fd, IPPROTO_UDP, UDP_SEND_MSG_SIZE, &value);
}

static void set_segment(WSAMSG *header, union number_control *control, size_t segment) {
  DWORD size = (DWORD)segment;
  memset(control, 0, sizeof(*control));
  control->header.cmsg_len = WSA_CMSG_LEN(sizeof(size));
  control->header.cmsg_level = IPPROTO_UDP;
  control->header.cmsg_type = UDP_SEND_MSG_SIZE;
  memcpy(WSA_CMSG_DATA(&control->header), &size, sizeof(size));
  header->Control.buf = control->bytes;
  header->Control.len = sizeof(*control);
}

static bool send_segments(enetjs_fd fd, struct enetjs_udp_message *message) {
  union number_control control;
  WSAMSG header;
  DWORD sent;
  memset(&header, 0, sizeof(header));
  header.name = &message->to.any;
  header.namelen = message->to_bytes;
  header.lpBuffers = message->parts;
  header.dwBufferCount = message->count;
  set_segment(&header, &control, message->segment);
  return WSASendMsg(fd, &header, 0, &sent, NULL, NULL) == 0;
}

static bool send_message(enetjs_fd fd, struct enetjs_udp_message *message) {
  DWORD sent;
  if (message->segment > 0) return send_segments(fd, message);
  return WSASendTo(fd, message->parts, message->count, &sent, 0, &message->to.any, message->to_bytes, NULL,
                   NULL) == 0;
}

int enetjs_udp_send(enetjs_fd fd, struct enetjs_udp_message *messages, unsigned count) {
  unsigned sent = 0;
  while (sent < count && send_message(fd, &messages[sent])) sent++;
  return sent > 0 || count == 0 ? (int)sent : -1;
}

/* ---- The way in ------------------------------------------------------------------------------ */

struct slot {
  size_t length, segment;
  bool cut;
  union enetjs_sockaddr from;
};

struct enetjs_udp_in {
  LPFN_WSARECVMSG receive; /* or NULL: each message is one datagram */
  struct slot slot[ENETJS_UDP_IN];
  uint8_t bytes[ENETJS_UDP_IN][ENETJS_UDP_IN_BYTES];
};

static LPFN_WSARECVMSG find_receive(enetjs_fd fd) {
  GUID id = WSAID_WSARECVMSG;
  LPFN_WSARECVMSG function = NULL;
  DWORD bytes;
  if (WSAIoctl(fd, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &function, sizeof(function), &bytes,
               NULL, NULL) != 0)
    return NULL;
  return function;
}

struct enetjs_udp_in *enetjs_udp_in_create(enetjs_fd fd) {
  struct enetjs_udp_in *in = malloc(sizeof(*in));
  if (!in) return NULL;
  in->receive = find_receive(fd);
  if (!enetjs_socket_set(fd, IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, ENETJS_UDP_IN_BYTES - 1))
    in->receive = NULL;
  return in;
}

void enetjs_udp_in_destroy(struct enetjs_udp_in *in) { free(in); }

static size_t segment_of(WSAMSG *header, size_t length) {
  WSACMSGHDR *part = WSA_CMSG_FIRSTHDR(header);
  for (; part; part = WSA_CMSG_NXTHDR(header, part))
    if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == UDP_COALESCED_INFO) {
      DWORD size;
      memcpy(&size, WSA_CMSG_DATA(part), sizeof(size));
      if (size > 0) return size;
    }
  return length;
}

static int receive_joined(struct enetjs_udp_in *in, struct slot *slot, enetjs_part *part, enetjs_fd fd) {
  union number_control control;
  WSAMSG header;
  DWORD length = 0;
  int error = 0;
  memset(&header, 0, sizeof(header));
  header.name = &slot->from.any;
  header.namelen = sizeof(slot->from);
  header.lpBuffers = part;
  header.dwBufferCount = 1;
  header.Control.buf = control.bytes;
  header.Control.len = sizeof(control);
  if (in->receive(fd, &header, &length, NULL, NULL) != 0) error = WSAGetLastError();
  slot->length = length;
  slot->segment = segment_of(&header, length);
  return error;
}

static int receive_one(struct slot *slot, enetjs_part *part, enetjs_fd fd) {
  INT name_bytes = sizeof(slot->from);
  DWORD length = 0, flags = 0;
  int error = 0;
  if (WSARecvFrom(fd, part, 1, &length, &flags, &slot->from.any, &name_bytes, NULL, NULL) != 0)
    error = WSAGetLastError();
  slot->length = slot->segment = length;
  return error;
}

/* @returns 0, or the error */
static int fetch_one(struct enetjs_udp_in *in, unsigned index, enetjs_fd fd) {
  struct slot *slot = &in->slot[index];
  enetjs_part part;
  int error;
  enetjs_part_set(&part, in->bytes[index], ENETJS_UDP_IN_BYTES);
  error = in->receive ? receive_joined(in, slot, &part, fd) : receive_one(slot, &part, fd);
  slot->cut = error == WSAEMSGSIZE;
  if (!slot->cut) return error;
  slot->length = slot->segment = ENETJS_UDP_IN_BYTES;
  return 0;
}

int enetjs_udp_in_fetch(struct enetjs_udp_in *in, enetjs_fd fd, bool *emptied) {
  int count = 0, error = 0;
  while (count < ENETJS_UDP_IN && (error = fetch_one(in, (unsigned)count, fd)) == 0) count++;
  if (error != 0 && count == 0 && !enetjs_socket_error_would_block(error) &&
      !enetjs_socket_error_reported(error))
    return -1;
  *emptied = enetjs_socket_error_would_block(error);
  return count;
}

struct enetjs_udp_fetched enetjs_udp_in_at(struct enetjs_udp_in *in, unsigned index) {
  const struct slot *slot = &in->slot[index];
  struct enetjs_udp_fetched fetched = {&slot->from, in->bytes[index], slot->length, slot->segment, slot->cut};
  return fetched;
}

#else

typedef int enetjs_no_windows_udp; /* a file of C is not empty */

#endif
