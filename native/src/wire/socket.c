/*
 * Batched datagrams, on Linux. libenetjs defines ENet's two socket functions itself. Loaded as its
 * dependency, libenet calls them instead of its own, by the ordinary lookup of symbols, and what ENet
 * sends and receives one datagram at a time goes to the system many at a time.
 *
 * Whether libenet's calls arrive here depends on how the process was put together: it may have loaded
 * libenet before us, or have one that was linked to keep its calls to itself. Nothing has to know in
 * advance. A host's datagrams are batched if and because its calls arrive here, so even the socket
 * option for receiving is set by the first call that does.
 *
 * Only calls between enetjs_batch_begin and _end, on that thread and for that host's socket, are
 * batched. Everything else in the process that uses libenet is passed on to libenet's own functions.
 *
 * The way out
 *   Datagrams are copied, for ENet's buffers are valid only during the call, and gathered in runs: to
 *   one destination, of one length except for the last. A run is one message with a segment size, and
 *   all runs are one system call. They leave before ENet reads, when there is no more room, and at the
 *   end of the section; nothing outlives it. Order is kept for each destination, not between them.
 *   ENet has been told by then that they were sent: what the system refuses is taken off its totals
 *   again, and otherwise lost like any datagram.
 *
 * The way in
 *   One system call fills several messages, each of which may be many datagrams of one sender. They
 *   are handed out one by one. ENet may stop before the last; the rest waits here, where poll() does
 *   not see it, for the next service (as part of what ENet has to do next).
 *
 * Where there are conditions, each datagram passes them on its own: before it is gathered on the way out, and
 * after it has been taken out of its message on the way in.
 */
#include "wire/socket.h"

#include "base/pool.h"
#include "wire/guard.h"

#if defined(__linux__)

#include <dlfcn.h>
#include <enet/time.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/threads.h"
#include "enetjs.h"
#include "wire/conditions.h"
#include "wire/gate.h"
#include "wire/open.h"
#include "wire/udp_options.h"

enum {
  OUT_DATAGRAMS = 256,
  OUT_BYTES = 256 * 1024,
  RUN_DATAGRAMS = 64, /* what every system that has segmentation takes */
  RUN_BYTES = 65507,  /* of one UDP message over IPv4 */
  DESTINATION_BITS = 9,
  DESTINATIONS = 1 << DESTINATION_BITS, /* more than there can be, so that a search ends */
  NO_RUN = 0xFFFF,
  IN_ROUND = 32,       /* datagrams that ENet is handed at once, so that it dispatches them from the cache; */
  IN_ROUND_PEERS = 16, /* or one for so many peers, since each round looks at all of them */
  REFUSED_MS = 1000,   /* for how long runs are not tried after the system has refused one */
  IN_HELD = 256,       /* datagrams that the conditions are handed before ENet gets its turn */
  IN_MESSAGES = 16,
  IN_BYTES = 65536 /* of one message: as much as the system joins */
};

/* Consecutive datagrams of one run that are also consecutive in memory. */
struct piece {
  uint8_t *data;
  size_t length;
  struct piece *next;
};

struct run {
  struct sockaddr_in to;
  size_t segment, bytes;
  unsigned datagrams;
  bool complete; /* a shorter datagram ends it */
  struct piece *first, *last;
};

union segment_control {
  char bytes[CMSG_SPACE(sizeof(uint16_t))];
  struct cmsghdr header;
};

union joined_control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr header;
};

struct out {
  unsigned runs, pieces, datagrams;
  size_t used;
  uint16_t latest[DESTINATIONS]; /* the newest run of each destination, a hash table with linear probing */
  struct run run[OUT_DATAGRAMS];
  struct piece piece[OUT_DATAGRAMS];
  struct mmsghdr message[OUT_DATAGRAMS];
  struct iovec vector[OUT_DATAGRAMS];
  union segment_control control[OUT_DATAGRAMS];
  uint8_t bytes[OUT_BYTES];
};

struct in {
  unsigned count, index; /* of messages; those before the index are done with */
  size_t offset;         /* of the next datagram in the message */
  unsigned handed;       /* datagrams, in this round */
  bool emptied;          /* the socket had no more when it was last read in this section */
  bool cut;              /* the round has been ended while there may be more */
  unsigned source_changes; /* datagrams from another source than the one before */
  uint64_t source;
  struct mmsghdr message[IN_MESSAGES];
  struct iovec vector[IN_MESSAGES];
  struct sockaddr_in from[IN_MESSAGES];
  union joined_control control[IN_MESSAGES];
  uint8_t bytes[IN_MESSAGES][IN_BYTES];
};

struct enetjs_batch {
  ENetHost *enet;
  struct enetjs_guard *guard; /* or NULL */
  struct enetjs_gate *gate;   /* or NULL */
  struct enetjs_conditions *conditions; /* or NULL */
  uint64_t *errors;
  void (*on_sent)(void *owner, const ENetAddress *to);
  void *owner;
  unsigned depth;    /* of nested sections */
  bool segmentation; /* the system has it */
  bool refused;      /* but has refused it of late */
  enet_uint32 refused_at;
  struct out *out;
  struct in *in;
  bool probe, probe_sent, probe_received;
};

static ENETJS_THREAD_LOCAL struct enetjs_batch *current;

/* ---- libenet's own functions ----------------------------------------------------------------- */

typedef int (*send_function)(ENetSocket, const ENetAddress *, const ENetBuffer *, size_t);
typedef int (*receive_function)(ENetSocket, ENetAddress *, ENetBuffer *, size_t);

static struct {
  send_function send;
  receive_function receive;
} libenet;
static enetjs_once libenet_once = ENETJS_ONCE_INIT;

static int cannot_send(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers, size_t count) {
  (void)socket, (void)address, (void)buffers, (void)count;
  errno = ENOSYS;
  return -1;
}

static int cannot_receive(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t count) {
  (void)socket, (void)address, (void)buffers, (void)count;
  errno = ENOSYS;
  return -1;
}

/* By the library's own handle: any other lookup could find ours. */
static void find_libenet(void) {
  Dl_info info;
  void *handle = NULL;
  if (dladdr((void *)enet_linked_version, &info) != 0) handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  libenet.send = handle ? (send_function)dlsym(handle, "enet_socket_send") : NULL;
  libenet.receive = handle ? (receive_function)dlsym(handle, "enet_socket_receive") : NULL;
  if (!libenet.send || libenet.send == enet_socket_send) libenet.send = cannot_send;
  if (!libenet.receive || libenet.receive == enet_socket_receive) libenet.receive = cannot_receive;
}

static int send_plain(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers, size_t count) {
  enetjs_once_run(&libenet_once, find_libenet);
  return libenet.send(socket, address, buffers, count);
}

static int receive_plain(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t count) {
  enetjs_once_run(&libenet_once, find_libenet);
  return libenet.receive(socket, address, buffers, count);
}

/* ---- The way out ----------------------------------------------------------------------------- */

static void out_clear(struct out *out) {
  out->runs = out->pieces = out->datagrams = 0;
  out->used = 0;
  memset(out->latest, 0xFF, sizeof(out->latest)); /* NO_RUN */
}

static struct out *out_create(struct enetjs_batch *batch) {
  int value;
  socklen_t length = sizeof(value);
  struct out *out = malloc(sizeof(*out));
  if (!out) return NULL;
  out_clear(out);
  /* A system that does not know the option would send a whole run as one datagram. */
  batch->segmentation = getsockopt(batch->enet->socket, SOL_UDP, UDP_SEGMENT, &value, &length) == 0;
  return batch->out = out;
}

/* What ENet has counted as sent, and was not; perhaps in an earlier section, before it was held. */
static void discount(struct enetjs_batch *batch, size_t bytes) {
  batch->enet->totalSentData -= (enet_uint32)enetjs_smaller(batch->enet->totalSentData, bytes);
}

static void count_failed(struct enetjs_batch *batch, unsigned datagrams, size_t bytes) {
  discount(batch, bytes);
  batch->enet->totalSentPackets -= (enet_uint32)enetjs_smaller(batch->enet->totalSentPackets, datagrams);
  *batch->errors += datagrams;
}

static bool send_one(struct enetjs_batch *batch, const struct run *run, uint8_t *data, size_t length) {
  struct iovec vector = {data, length};
  struct msghdr message = {0};
  message.msg_name = (void *)(uintptr_t)&run->to;
  message.msg_namelen = sizeof(run->to);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (sendmsg(batch->enet->socket, &message, MSG_NOSIGNAL) >= 0) return true;
  if (errno == EAGAIN)
    discount(batch, length);
  else
    count_failed(batch, 1, length);
  return false;
}

/* @returns whether any was sent */
static bool send_one_by_one(struct enetjs_batch *batch, const struct run *run) {
  bool sent = false;
  for (const struct piece *piece = run->first; piece; piece = piece->next)
    for (size_t at = 0; at < piece->length; at += run->segment) {
      size_t left = piece->length - at;
      sent |= send_one(batch, run, piece->data + at, left < run->segment ? left : run->segment);
    }
  return sent;
}

/*
 * No checksums by the device, a segment above the path's MTU, or a socket without checksums. Not every
 * such error is about that: one is if the datagrams can be sent one by one.
 */
static bool may_refuse_segmentation(int error) {
  return error == EIO || error == EINVAL || error == EMSGSIZE || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

static void on_unsent(struct enetjs_batch *batch, const struct run *run, int error) {
  if (error == EAGAIN) {
    discount(batch, run->bytes); /* as ENet does: the socket's buffer is full, so it is lost */
  } else if (run->datagrams > 1 && may_refuse_segmentation(error)) {
    if (!send_one_by_one(batch, run)) return;
    batch->refused = true;
    batch->refused_at = enet_time_get();
  } else {
    count_failed(batch, run->datagrams, run->bytes);
  }
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

static void compose(struct out *out) {
  struct iovec *vector = out->vector;
  for (unsigned i = 0; i < out->runs; i++) {
    struct run *run = &out->run[i];
    struct msghdr *header = &out->message[i].msg_hdr;
    memset(header, 0, sizeof(*header));
    header->msg_name = &run->to;
    header->msg_namelen = sizeof(run->to);
    header->msg_iov = vector;
    for (const struct piece *piece = run->first; piece; piece = piece->next) {
      vector->iov_base = piece->data;
      vector++->iov_len = piece->length;
    }
    header->msg_iovlen = (size_t)(vector - header->msg_iov);
    if (run->datagrams > 1) set_segment(header, &out->control[i], run->segment);
  }
}

static void send_all(struct enetjs_batch *batch) {
  struct out *out = batch->out;
  unsigned done = 0;
  if (!out || out->runs == 0) return;
  compose(out);
  while (done < out->runs) {
    int sent = sendmmsg(batch->enet->socket, &out->message[done], out->runs - done, MSG_NOSIGNAL);
    /* An error is that of the first run; those behind it have not been tried. */
    if (sent > 0)
      done += (unsigned)sent;
    else
      on_unsent(batch, &out->run[done++], errno);
  }
  out_clear(out);
}

static bool is_to(const struct run *run, const ENetAddress *address) {
  return run->to.sin_addr.s_addr == address->host && run->to.sin_port == ENET_HOST_TO_NET_16(address->port);
}

/* The place of a destination's newest run, which is NO_RUN when it has none. */
static uint16_t *latest_to(struct out *out, const ENetAddress *address) {
  /* The highest bits of the product depend on all of the address. */
  uint32_t at = (address->host ^ address->port) * 0x9E3779B1u >> (32 - DESTINATION_BITS);
  while (out->latest[at] != NO_RUN && !is_to(&out->run[out->latest[at]], address)) at = (at + 1) % DESTINATIONS;
  return &out->latest[at];
}

static bool takes(const struct enetjs_batch *batch, const struct run *run, size_t length) {
  return !run->complete && length <= run->segment && run->datagrams < RUN_DATAGRAMS &&
         run->bytes + length <= RUN_BYTES && batch->segmentation && !batch->refused;
}

static struct run *run_for(struct enetjs_batch *batch, const ENetAddress *address, size_t length) {
  struct out *out = batch->out;
  uint16_t *latest = latest_to(out, address);
  struct run *run;
  if (*latest != NO_RUN && takes(batch, &out->run[*latest], length)) return &out->run[*latest];
  *latest = (uint16_t)out->runs;
  run = &out->run[out->runs++];
  memset(run, 0, sizeof(*run));
  run->to.sin_family = AF_INET;
  run->to.sin_port = ENET_HOST_TO_NET_16(address->port);
  run->to.sin_addr.s_addr = address->host;
  run->segment = length;
  return run;
}

static void append(struct out *out, struct run *run, uint8_t *data, size_t length) {
  struct piece *last = run->last;
  run->datagrams++;
  run->bytes += length;
  run->complete = length < run->segment;
  if (last && last->data + last->length == data) {
    last->length += length;
    return;
  }
  run->last = &out->piece[out->pieces++];
  run->last->data = data;
  run->last->length = length;
  run->last->next = NULL;
  if (last)
    last->next = run->last;
  else
    run->first = run->last;
}

static int collect(struct enetjs_batch *batch, const ENetAddress *address, const ENetBuffer *buffers, size_t count) {
  struct out *out = batch->out ? batch->out : out_create(batch);
  size_t length = 0;
  uint8_t *data;
  for (size_t i = 0; i < count; i++) length += buffers[i].dataLength;
  if (!out || length == 0 || length > RUN_BYTES) {
    send_all(batch);
    return send_plain(batch->enet->socket, address, buffers, count);
  }
  if (out->datagrams == OUT_DATAGRAMS || length > OUT_BYTES - out->used) send_all(batch);
  data = out->bytes + out->used;
  for (size_t i = 0; i < count; i++) {
    if (buffers[i].dataLength > 0) memcpy(out->bytes + out->used, buffers[i].data, buffers[i].dataLength);
    out->used += buffers[i].dataLength;
  }
  out->datagrams++;
  append(out, run_for(batch, address, length), data, length);
  return (int)length;
}

static int enter(struct enetjs_batch *batch, const ENetAddress *address, const ENetBuffer *buffers, size_t count) {
  size_t length = 0;
  for (size_t i = 0; i < count; i++) length += buffers[i].dataLength;
  enetjs_conditions_enter(batch->conditions, ENETJS_SENT, address, buffers, count, enetjs_clock_us());
  return (int)length;
}

/* What the conditions have let pass. */
static void collect_due(struct enetjs_batch *batch) {
  const struct enetjs_passed *passed;
  uint64_t now_us = enetjs_clock_us();
  while ((passed = enetjs_conditions_due(batch->conditions, ENETJS_SENT, now_us)) != NULL) {
    ENetBuffer buffer;
    buffer.data = passed->bytes;
    buffer.dataLength = passed->length;
    if (collect(batch, &passed->address, &buffer, 1) < 0) ++*batch->errors;
    enetjs_conditions_release(batch->conditions, ENETJS_SENT);
  }
}

static void send_due(struct enetjs_batch *batch) {
  if (batch->conditions) collect_due(batch);
  send_all(batch);
}

ENETJS_API int enet_socket_send(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers,
                                size_t bufferCount) {
  struct enetjs_batch *batch = current;
  int length;
  if (!batch || !address || batch->enet->socket != socket) return send_plain(socket, address, buffers, bufferCount);
  if (batch->probe) {
    batch->probe_sent = true;
    return 0;
  }
  if (batch->guard && enetjs_guard_swallows(batch->guard, address, buffers)) {
    batch->enet->totalSentPackets--; /* which ENet is about to count */
    return 0;
  }
  length = batch->conditions ? enter(batch, address, buffers, bufferCount)
                             : collect(batch, address, buffers, bufferCount);
  batch->on_sent(batch->owner, address);
  return length;
}

/* ---- The way in ------------------------------------------------------------------------------ */

/* Before each use, for the system writes to the lengths. */
static void make_ready(struct in *in, unsigned index) {
  in->message[index].msg_hdr.msg_namelen = sizeof(in->from[index]);
  in->message[index].msg_hdr.msg_controllen = sizeof(in->control[index]);
}

static struct in *in_create(struct enetjs_batch *batch) {
  static const int on = 1;
  struct in *in = malloc(sizeof(*in));
  if (!in) return NULL;
  in->count = in->index = in->handed = 0;
  in->offset = 0;
  in->emptied = in->cut = false;
  in->source_changes = 0;
  in->source = 0;
  memset(in->message, 0, sizeof(in->message));
  for (unsigned i = 0; i < IN_MESSAGES; i++) {
    struct msghdr *header = &in->message[i].msg_hdr;
    in->vector[i].iov_base = in->bytes[i];
    in->vector[i].iov_len = IN_BYTES;
    header->msg_iov = &in->vector[i];
    header->msg_iovlen = 1;
    header->msg_name = &in->from[i];
    header->msg_control = &in->control[i];
    make_ready(in, i);
  }
  /* Refused by a system that has it not: then each message is one datagram. */
  (void)setsockopt(batch->enet->socket, SOL_UDP, UDP_GRO, &on, sizeof(on));
  return batch->in = in;
}

/* @returns how many messages there are now, or -1 */
static int prefetch(struct enetjs_batch *batch) {
  struct in *in = batch->in;
  int count;
  for (unsigned i = 0; i < in->count; i++) make_ready(in, i);
  in->count = in->index = 0;
  in->offset = 0;
  count = recvmmsg(batch->enet->socket, in->message, IN_MESSAGES, MSG_DONTWAIT, NULL);
  if (count < 0) return errno == EAGAIN ? 0 : -1;
  in->emptied = count < IN_MESSAGES;
  in->count = (unsigned)count;
  return count;
}

/* The length of the datagrams that a message consists of, the last of which may be shorter. */
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

static void note_source(struct in *in, const struct sockaddr_in *from) {
  uint64_t source = (uint64_t)from->sin_addr.s_addr << 16 | from->sin_port;
  in->source_changes += source != in->source;
  in->source = source;
}

/*
 * Takes the next prefetched datagram that is one for ENet: empty ones would look like none at all, and
 * those that are larger than ENet's buffer are of no protocol of its. @returns its length, or 0
 */
static size_t take(struct enetjs_batch *batch, ENetAddress *address, ENetBuffer *buffer) {
  struct in *in = batch->in;
  while (in->index < in->count) {
    struct mmsghdr *message = &in->message[in->index];
    const struct sockaddr_in *from = &in->from[in->index];
    const uint8_t *data = in->bytes[in->index] + in->offset;
    size_t left = message->msg_len - in->offset, length = segment_of(message);
    bool cut = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    if (length > left) length = left;
    in->offset += length;
    if (in->offset == message->msg_len) {
      in->index++;
      in->offset = 0;
    }
    if (length > buffer->dataLength || cut) {
      ++*batch->errors;
      continue;
    }
    if (length == 0) continue;
    memcpy(buffer->data, data, length);
    note_source(in, from);
    if (address) {
      address->host = from->sin_addr.s_addr;
      address->port = ENET_NET_TO_HOST_16(from->sin_port);
    }
    return length;
  }
  return 0;
}

/*
 * ENet asks until it is told that there is none. The answer to that is known without asking the system
 * when it had less than there was room for; what has come since, poll() sees. It is also given after
 * nothing but useless datagrams, so that a flood of them does not hold up what ENet has to send.
 */
static int next_datagram(struct enetjs_batch *batch, ENetAddress *address, ENetBuffer *buffer) {
  struct in *in = batch->in;
  size_t length = take(batch, address, buffer);
  if (length > 0) return (int)length;
  if (in->emptied) {
    in->emptied = false;
    return 0;
  }
  if (prefetch(batch) < 0) return -1;
  return (int)take(batch, address, buffer);
}

static size_t take_due(struct enetjs_batch *batch, ENetAddress *address, ENetBuffer *buffer, uint64_t now_us) {
  const struct enetjs_passed *passed = enetjs_conditions_due(batch->conditions, ENETJS_RECEIVED, now_us);
  size_t length;
  if (!passed) return 0;
  length = passed->length; /* ENet's buffer has not become smaller since it was read into it */
  memcpy(buffer->data, passed->bytes, length);
  if (address) *address = passed->address;
  enetjs_conditions_release(batch->conditions, ENETJS_RECEIVED);
  return length;
}

/* All that has come enters, until a datagram is due. */
static int next_that_passes(struct enetjs_batch *batch, ENetAddress *address, ENetBuffer *buffer) {
  uint64_t now_us = enetjs_clock_us();
  for (unsigned entered = 0; entered < IN_HELD; entered++) {
    ENetAddress from;
    ENetBuffer datagram;
    size_t due = take_due(batch, address, buffer, now_us);
    int length = due > 0 ? (int)due : next_datagram(batch, &from, buffer);
    if (due > 0 || length <= 0) return length;
    datagram.data = buffer->data;
    datagram.dataLength = (size_t)length;
    enetjs_conditions_enter(batch->conditions, ENETJS_RECEIVED, &from, &datagram, 1, now_us);
  }
  return 0; /* as after nothing but useless ones */
}

static int next_of_round(struct enetjs_batch *batch, ENetAddress *address, ENetBuffer *buffer) {
  struct in *in = batch->in;
  size_t scaled = batch->enet->peerCount / IN_ROUND_PEERS;
  int length;
  in->cut = in->handed >= (scaled > IN_ROUND ? scaled : IN_ROUND);
  length = in->cut             ? 0
           : batch->conditions ? next_that_passes(batch, address, buffer)
                               : next_datagram(batch, address, buffer);
  in->handed = length > 0 ? in->handed + 1 : 0;
  return length;
}

ENETJS_API int enet_socket_receive(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t bufferCount) {
  struct enetjs_batch *batch = current;
  size_t passed;
  if (!batch || bufferCount != 1 || batch->enet->socket != socket)
    return receive_plain(socket, address, buffers, bufferCount);
  if (batch->probe) {
    batch->probe_received = true;
    return 0;
  }
  enetjs_pool_charge(NULL); /* ENet is done with the datagram before */
  /* While ENet reads what has been fetched before, what is sent of it gathers. */
  if (!batch->in || batch->in->handed == 0 || batch->in->index == batch->in->count) send_due(batch);
  passed = batch->guard ? enetjs_guard_take(batch->guard, address, buffers) : 0;
  if (passed == 0 && batch->gate) passed = enetjs_gate_take(batch->gate, address, buffers);
  if (passed > 0) return (int)passed;
  if (!batch->in && !in_create(batch)) return receive_plain(socket, address, buffers, bufferCount);
  return next_of_round(batch, address, buffers);
}

/* ---- For the host ---------------------------------------------------------------------------- */

struct enetjs_batch *enetjs_batch_create(const struct enetjs_batch_parts *parts) {
  struct enetjs_batch *batch = calloc(1, sizeof(*batch));
  if (!batch) return NULL;
  batch->enet = parts->enet;
  batch->guard = parts->guard;
  batch->errors = parts->errors;
  batch->on_sent = parts->on_sent;
  batch->owner = parts->owner;
  return batch;
}

void enetjs_batch_set_gate(struct enetjs_batch *batch, struct enetjs_gate *gate) {
  if (batch) batch->gate = gate;
}

void enetjs_batch_set_conditions(struct enetjs_batch *batch, struct enetjs_conditions *conditions) {
  enetjs_conditions_destroy(batch->conditions);
  batch->conditions = conditions;
}

struct enetjs_conditions *enetjs_batch_conditions(const struct enetjs_batch *batch) {
  return batch ? batch->conditions : NULL;
}

int enetjs_batch_wait(const struct enetjs_batch *batch) {
  return batch && batch->conditions ? enetjs_conditions_wait(batch->conditions, enetjs_clock_us()) : -1;
}

void enetjs_batch_begin(struct enetjs_batch *batch) {
  if (!batch || batch->depth++ > 0) return;
  if (batch->guard) enetjs_guard_begin(batch->guard);
  if (batch->refused && ENET_TIME_DIFFERENCE(enet_time_get(), batch->refused_at) >= REFUSED_MS) batch->refused = false;
  if (batch->in) {
    batch->in->handed = 0;
    batch->in->emptied = batch->in->cut = false;
  }
  current = batch;
}

void enetjs_batch_end(struct enetjs_batch *batch) {
  if (!batch) return;
  send_due(batch);
  if (--batch->depth > 0) return;
  current = NULL;
  if (batch->conditions && enetjs_conditions_over(batch->conditions)) enetjs_batch_set_conditions(batch, NULL);
}

static bool has_due(const struct enetjs_batch *batch) {
  return batch->conditions && enetjs_conditions_due(batch->conditions, ENETJS_RECEIVED, enetjs_clock_us());
}

bool enetjs_batch_prefetched(const struct enetjs_batch *batch) {
  return batch && ((batch->in && batch->in->index < batch->in->count) || has_due(batch));
}

bool enetjs_batch_unread(const struct enetjs_batch *batch) { return batch && batch->in && batch->in->cut; }

unsigned enetjs_batch_take_source_changes(struct enetjs_batch *batch) {
  unsigned changes;
  if (!batch || !batch->in) return 0;
  changes = batch->in->source_changes;
  batch->in->source_changes = 0;
  return changes;
}

void enetjs_batch_destroy(struct enetjs_batch *batch) {
  if (!batch) return;
  enetjs_conditions_destroy(batch->conditions);
  free(batch->out);
  free(batch->in);
  free(batch);
}

/* ---- Which path it is ------------------------------------------------------------------------ */

/* A host that connects to itself; nothing leaves it if the calls arrive here. */
static bool probe(ENetHost *enet) {
  struct enetjs_batch batch = {0};
  ENetAddress address = enet->address;
  batch.enet = enet;
  batch.probe = true;
  if (!enet_host_connect(enet, &address, 1, 0)) return false;
  current = &batch;
  enet_host_service(enet, NULL, 0);
  current = NULL;
  return batch.probe_sent && batch.probe_received;
}

int enetjs_batch_arrives(void) {
  static atomic_int known = -1;
  ENetAddress address = {0};
  ENetHost *enet;
  int result = atomic_load(&known);
  if (result >= 0) return result;
  address.host = ENET_HOST_TO_NET_32(INADDR_LOOPBACK);
  enet = enetjs_enet_open(&address, 1, 1, 0, 0, &result);
  if (!enet) return result;
  result = probe(enet);
  enet_host_destroy(enet);
  atomic_store(&known, result);
  return result;
}

#else

int enetjs_batch_arrives(void) { return 0; }

struct enetjs_batch *enetjs_batch_create(const struct enetjs_batch_parts *parts) {
  (void)parts;
  return NULL;
}

void enetjs_batch_destroy(struct enetjs_batch *batch) { (void)batch; }
void enetjs_batch_set_gate(struct enetjs_batch *batch, struct enetjs_gate *gate) { (void)batch, (void)gate; }

void enetjs_batch_set_conditions(struct enetjs_batch *batch, struct enetjs_conditions *conditions) {
  (void)batch, (void)conditions;
}

struct enetjs_conditions *enetjs_batch_conditions(const struct enetjs_batch *batch) {
  (void)batch;
  return NULL;
}

int enetjs_batch_wait(const struct enetjs_batch *batch) {
  (void)batch;
  return -1;
}

void enetjs_batch_begin(struct enetjs_batch *batch) { (void)batch; }
void enetjs_batch_end(struct enetjs_batch *batch) { (void)batch; }

bool enetjs_batch_prefetched(const struct enetjs_batch *batch) {
  (void)batch;
  return false;
}

bool enetjs_batch_unread(const struct enetjs_batch *batch) {
  (void)batch;
  return false;
}

unsigned enetjs_batch_take_source_changes(struct enetjs_batch *batch) {
  (void)batch;
  return 0;
}

#endif
