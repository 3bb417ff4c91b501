/* Batched datagrams: what leaves and arrives, in which order, when, and what happens where it can't. */
#include "../consumer.h"
#include "wire/socket.h"

#if defined(__linux__)

#include <errno.h>
#include <unistd.h>

#include "wire/sockaddr.h"

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#define UDP_SEGMENT 103
#define UDP_GRO 104

#define LARGEST 4096 /* what ENet receives */

static ENetAddress loopback(uint16_t port) {
  ENetAddress address;
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  address.port = port;
  return address;
}

/** Sends as ENet does: from the host's socket, in two buffers that are gone after the call. */
static int send_as_enet(struct enetjs_host *h, ENetAddress to, const uint8_t *data, size_t length) {
  uint8_t *copy = malloc(length);
  size_t half = length / 2;
  ENetBuffer buffers[2];
  int result;
  CHECK(copy != NULL);
  memcpy(copy, data, length);
  buffers[0].data = copy;
  buffers[0].dataLength = half;
  buffers[1].data = copy + half;
  buffers[1].dataLength = length - half;
  result = enet_socket_send(h->enet->socket, &to, buffers, 2);
  memset(copy, 0xEE, length);
  free(copy);
  return result;
}

static void send_numbered(struct enetjs_host *h, uint16_t port, uint32_t number, size_t length) {
  uint8_t data[65536];
  payload_fill(data, length, number);
  CHECK_EQ_INT(send_as_enet(h, loopback(port), data, length), length);
}

static void check_received(ENetSocket s, uint32_t number, size_t length) {
  static uint8_t data[65536];
  int got = 0;
  UNTIL(got != 0, got = socket_receive(s, NULL, data, sizeof(data)));
  CHECK_EQ_INT(got, length);
  CHECK(payload_is(data, length, number));
}

static void check_nothing_received(ENetSocket s) {
  uint8_t data[16];
  CHECK_EQ_INT(socket_receive(s, NULL, data, sizeof(data)), 0);
}

static int receive_as_enet(struct enetjs_host *h, uint16_t *port, uint8_t *data) {
  return socket_receive(h->enet->socket, port, data, LARGEST);
}

/** Reads the next datagram as ENet does, over as many sections as it takes. */
static void check_read(struct enetjs_host *h, uint32_t number, size_t length) {
  uint8_t data[LARGEST];
  int got = 0;
  UNTIL(got != 0, {
    enetjs_batch_begin(h->batch);
    got = receive_as_enet(h, NULL, data);
    enetjs_batch_end(h->batch);
  });
  CHECK_EQ_INT(got, length);
  CHECK(payload_is(data, length, number));
}

static void check_nothing_read(struct enetjs_host *h) {
  uint8_t data[LARGEST];
  enetjs_batch_begin(h->batch);
  CHECK_EQ_INT(receive_as_enet(h, NULL, data), 0);
  enetjs_batch_end(h->batch);
  CHECK(!enetjs_batch_prefetched(h->batch));
}

/** Delivery may lag behind the send on a busy machine, on the loopback interface too. */
static void await_readable(ENetSocket s) {
  enetjs_pollfd fd = {0};
  fd.fd = s;
  fd.events = POLLIN;
  CHECK_EQ_INT(enetjs_poll(&fd, 1, PATIENCE_MS), 1);
}

/** Receives one message as the system has it. @returns its length; *segment is 0 when it is one datagram */
static int receive_joined(ENetSocket s, uint8_t *data, size_t capacity, int *segment) {
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec vector = {data, capacity};
  struct msghdr message = {0};
  struct cmsghdr *part;
  int length;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  await_readable(s);
  length = (int)recvmsg(s, &message, MSG_DONTWAIT);
  CHECK(length > 0);
  *segment = 0;
  part = CMSG_FIRSTHDR(&message);
  if (part && part->cmsg_level == SOL_UDP && part->cmsg_type == UDP_GRO)
    memcpy(segment, CMSG_DATA(part), sizeof(*segment));
  return length;
}

/** Sends one message that the system takes for datagrams of `segment` bytes. */
static void send_joined(ENetSocket s, uint16_t port, const uint8_t *data, size_t length, uint16_t segment) {
  struct sockaddr_in to = {0};
  char control[CMSG_SPACE(sizeof(segment))] = {0};
  struct iovec vector = {(void *)(uintptr_t)data, length};
  struct msghdr message = {0};
  struct cmsghdr *part;
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(LOOPBACK);
  to.sin_port = htons(port);
  message.msg_name = &to;
  message.msg_namelen = sizeof(to);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_UDP;
  part->cmsg_type = UDP_SEGMENT;
  part->cmsg_len = CMSG_LEN(sizeof(segment));
  memcpy(CMSG_DATA(part), &segment, sizeof(segment));
  CHECK_EQ_INT(sendmsg(s, &message, 0), length);
}

/** Sends ten datagrams of 100 bytes, numbered from 0, that arrive together. */
static void send_ten(ENetSocket s, const struct consumer *c) {
  uint8_t data[1000];
  check_nothing_read(host_of(c)); /* from now on, if not before, the host's socket takes them together */
  for (uint32_t i = 0; i < 10; i++) payload_fill(data + 100 * (size_t)i, 100, i);
  send_joined(s, port_of(c), data, sizeof(data), 100);
  await_readable(host_of(c)->enet->socket);
}

static ENetSocket joining_socket_open(uint16_t *port) {
  static const int on = 1;
  ENetSocket s = socket_open(port);
  CHECK_EQ_INT(setsockopt(s, SOL_UDP, UDP_GRO, &on, sizeof(on)), 0);
  return s;
}

/* ---- The way out ----------------------------------------------------------------------------- */

TEST(calls_of_libenet_arrive) {
  for (int i = 0; i < 3; i++) CHECK_EQ_INT(enetjs_datagrams_batched(), 1);
  check_nothing_left();
}

TEST(all_leaves_at_the_end_of_a_section_in_order) {
  static const size_t lengths[] = {100,  100,  100,  40, 100, 1,    1,    1400, 1400,
                                   1400, 1399, 1400, 2,  3,   4096, 4096, 60000};
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  server_open(&c);
  h = host_of(&c);
  for (uint32_t round = 0; round < 3; round++) {
    enetjs_batch_begin(h->batch);
    for (uint32_t i = 0; i < TEST_COUNT(lengths); i++) send_numbered(h, port, i + round, lengths[i]);
    check_nothing_received(s);
    enetjs_batch_end(h->batch);
    for (uint32_t i = 0; i < TEST_COUNT(lengths); i++) check_received(s, i + round, lengths[i]);
    check_nothing_received(s);
  }
  consumer_close(&c);
  enet_socket_destroy(s);
  check_nothing_left();
}

TEST(random_lengths_and_destinations_keep_their_order) {
  static const size_t common[] = {8, 260, 1392, 1400};
  enum { SOCKETS = 90 };
  struct consumer c;
  struct enetjs_host *h;
  uint16_t ports[SOCKETS];
  ENetSocket sockets[SOCKETS];
  uint64_t random = 11;
  server_open(&c);
  h = host_of(&c);
  for (int i = 0; i < SOCKETS; i++) sockets[i] = socket_open(&ports[i]);
  for (uint32_t round = 0; round < 40 / SLOW; round++) {
    uint32_t to[700], count = test_random_below(&random, 700), few = 1 + test_random_below(&random, SOCKETS);
    size_t lengths[700];
    enetjs_batch_begin(h->batch);
    for (uint32_t i = 0; i < count; i++) {
      to[i] = test_random_below(&random, few < 20 && count > 150 ? SOCKETS : few);
      lengths[i] = test_random_below(&random, 4) ? common[test_random_below(&random, 4)]
                                                 : 1 + test_random_below(&random, LARGEST);
      send_numbered(h, ports[to[i]], i, lengths[i]);
    }
    enetjs_batch_end(h->batch);
    for (uint32_t i = 0; i < count; i++) check_received(sockets[to[i]], i, lengths[i]);
  }
  for (int i = 0; i < SOCKETS; i++) {
    check_nothing_received(sockets[i]);
    enet_socket_destroy(sockets[i]);
  }
  consumer_close(&c);
}

/* More than a batch has room for, by number and by bytes; to several, so that their buffers have room. */
TEST(a_full_batch_leaves_at_once) {
  enum { SOCKETS = 8 };
  static const size_t lengths[] = {20, 4096}, room[] = {256, 64};
  struct consumer c;
  struct enetjs_host *h;
  uint16_t ports[SOCKETS];
  ENetSocket sockets[SOCKETS];
  server_open(&c);
  h = host_of(&c);
  for (int i = 0; i < SOCKETS; i++) sockets[i] = socket_open(&ports[i]);
  for (size_t i = 0; i < TEST_COUNT(lengths); i++) {
    uint32_t read = 0, count = 5 * (uint32_t)room[i];
    enetjs_batch_begin(h->batch);
    for (uint32_t sent = 0; sent <= count; sent++) {
      check_nothing_received(sockets[read % SOCKETS]);
      send_numbered(h, ports[sent % SOCKETS], sent, lengths[i]);
      if (sent == 0 || sent % room[i] != 0) continue;
      for (; read < sent; read++) check_received(sockets[read % SOCKETS], read, lengths[i]);
    }
    enetjs_batch_end(h->batch);
    check_received(sockets[count % SOCKETS], count, lengths[i]);
  }
  for (int i = 0; i < SOCKETS; i++) {
    check_nothing_received(sockets[i]);
    enet_socket_destroy(sockets[i]);
  }
  consumer_close(&c);
}

TEST(datagrams_of_one_length_leave_as_one_message) {
  static uint8_t data[65536];
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port, other;
  ENetSocket s = joining_socket_open(&port), t = socket_open(&other);
  int segment;
  server_open(&c);
  h = host_of(&c);
  enetjs_batch_begin(h->batch);
  for (uint32_t i = 0; i < 10; i++) {
    send_numbered(h, port, i, 1000);
    send_numbered(h, other, i, 1000); /* between them in memory */
  }
  send_numbered(h, port, 10, 77);
  send_numbered(h, port, 11, 77);
  enetjs_batch_end(h->batch);
  CHECK_EQ_INT(receive_joined(s, data, sizeof(data), &segment), 10077);
  CHECK_EQ_INT(segment, 1000);
  for (uint32_t i = 0; i < 11; i++) CHECK(payload_is(data + 1000 * (size_t)i, i < 10 ? 1000 : 77, i));
  CHECK_EQ_INT(receive_joined(s, data, sizeof(data), &segment), 77);
  CHECK(payload_is(data, 77, 11));
  for (uint32_t i = 0; i < 10; i++) check_received(t, i, 1000);
  consumer_close(&c);
  enet_socket_destroy(s);
  enet_socket_destroy(t);
}

/* Without checksums the system does not cut messages up. */
TEST(a_refusal_is_got_round_and_tried_again_later) {
  static uint8_t data[65536];
  int on = 1, off = 0, segment;
  uint64_t start;
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port, other;
  ENetSocket s = socket_open(&port), t = joining_socket_open(&other);
  server_open(&c);
  h = host_of(&c);
  CHECK_EQ_INT(setsockopt(h->enet->socket, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
  start = test_now_ms();
  for (int round = 0; round < 3; round++) {
    enetjs_batch_begin(h->batch);
    for (uint32_t i = 0; i < 50; i++) send_numbered(h, port, i, i == 49 ? 5 : 1200);
    enetjs_batch_end(h->batch);
    for (uint32_t i = 0; i < 50; i++) check_received(s, i, i == 49 ? 5 : 1200);
  }
  check_nothing_received(s);
  CHECK_EQ_INT(statistic(&c, ENETJS_HOST_STAT_SOCKET_ERRORS), 0);
  CHECK_EQ_INT(setsockopt(h->enet->socket, SOL_SOCKET, SO_NO_CHECK, &off, sizeof(off)), 0);
  for (segment = 0; segment != 1200;) {
    CHECK(test_now_ms() - start < PATIENCE_MS);
    enetjs_batch_begin(h->batch);
    for (uint32_t i = 0; i < 3; i++) send_numbered(h, other, i, 1200);
    enetjs_batch_end(h->batch);
    for (int left = 3600; left > 0;) left -= receive_joined(t, data, sizeof(data), &segment);
  }
  CHECK(test_now_ms() - start >= 900);
  consumer_close(&c);
  enet_socket_destroy(s);
  enet_socket_destroy(t);
}

TEST(an_unreachable_destination_does_not_lose_the_others) {
  static uint8_t data[65536];
  ENetAddress nowhere;
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port;
  ENetSocket s = joining_socket_open(&port);
  int segment;
  server_open(&c);
  h = host_of(&c);
  nowhere.host = ENET_HOST_TO_NET_32(0xC0000201u); /* 192.0.2.1, not reached from the loopback interface */
  nowhere.port = 9;
  enetjs_batch_begin(h->batch);
  CHECK_EQ_INT(send_as_enet(h, nowhere, data, 700), 700);
  for (uint32_t i = 0; i < 20; i++) {
    send_numbered(h, port, i, 1000);
    CHECK_EQ_INT(send_as_enet(h, nowhere, data, 500), 500);
  }
  h->enet->totalSentData = 100000;
  h->enet->totalSentPackets = 100;
  enetjs_batch_end(h->batch);
  CHECK_EQ_INT(receive_joined(s, data, sizeof(data), &segment), 20000);
  for (uint32_t i = 0; i < 20; i++) CHECK(payload_is(data + 1000 * (size_t)i, 1000, i));
  CHECK_EQ_INT(h->enet->totalSentData, 100000 - 700 - 20 * 500);
  CHECK_EQ_INT(h->enet->totalSentPackets, 100 - 21);
  CHECK_EQ_INT(statistic(&c, ENETJS_HOST_STAT_SOCKET_ERRORS), 21);
  /* It was not about segmentation. */
  enetjs_batch_begin(h->batch);
  for (uint32_t i = 0; i < 5; i++) send_numbered(h, port, i, 1000);
  enetjs_batch_end(h->batch);
  CHECK_EQ_INT(receive_joined(s, data, sizeof(data), &segment), 5000);
  consumer_close(&c);
  enet_socket_destroy(s);
}

/** A connected stream socket whose buffers are full: the one that is sure to be so. */
static void full_stream(int ends[2]) {
  static uint8_t data[65536];
  struct sockaddr_in address = {0};
  socklen_t length = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(LOOPBACK);
  CHECK_EQ_INT(bind(listener, (struct sockaddr *)&address, length), 0);
  CHECK_EQ_INT(listen(listener, 1), 0);
  CHECK_EQ_INT(getsockname(listener, (struct sockaddr *)&address, &length), 0);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQ_INT(connect(ends[0], (struct sockaddr *)&address, length), 0);
  ends[1] = accept(listener, NULL, NULL);
  CHECK(ends[1] >= 0);
  close(listener);
  enet_socket_set_option(ends[0], ENET_SOCKOPT_NONBLOCK, 1);
  for (int i = 0; i < 100; i++) {
    while (send(ends[0], data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    CHECK_EQ_INT(errno, EAGAIN);
    usleep(1000);
  }
}

TEST(what_a_full_buffer_does_not_take_is_lost_without_an_error) {
  struct consumer c;
  struct enetjs_host *h;
  int ends[2], original;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  server_open(&c);
  h = host_of(&c);
  enetjs_batch_begin(h->batch);
  send_numbered(h, port, 1, 100);
  enetjs_batch_end(h->batch);
  check_received(s, 1, 100);
  full_stream(ends);
  original = dup(h->enet->socket);
  CHECK(dup2(ends[0], h->enet->socket) >= 0);
  enetjs_batch_begin(h->batch);
  for (uint32_t i = 0; i < 30; i++) send_numbered(h, port, i, 100 + i / 10);
  h->enet->totalSentData = 10000;
  h->enet->totalSentPackets = 30;
  enetjs_batch_end(h->batch);
  CHECK_EQ_INT(h->enet->totalSentData, 10000 - 30 * 100 - 30);
  CHECK_EQ_INT(h->enet->totalSentPackets, 30);
  CHECK(dup2(original, h->enet->socket) >= 0);
  CHECK_EQ_INT(statistic(&c, ENETJS_HOST_STAT_SOCKET_ERRORS), 0);
  enetjs_batch_begin(h->batch);
  send_numbered(h, port, 2, 100);
  enetjs_batch_end(h->batch);
  check_received(s, 2, 100);
  close(original);
  close(ends[0]);
  close(ends[1]);
  enet_socket_destroy(s);
  consumer_close(&c);
}

TEST(raw_datagrams_leave_at_once) {
  struct consumer c;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  server_open(&c);
  for (uint32_t i = 0; i < 5; i++) {
    uint8_t *scratch = c.block + c.words[ENETJS_WORD_SCRATCH_OFFSET];
    payload_fill(scratch, 200, i);
    CHECK_EQ_INT(enetjs_host_send_datagram(c.host, LOOPBACK, port, c.words[ENETJS_WORD_SCRATCH_OFFSET], 200),
                 200);
    check_received(s, i, 200);
  }
  consumer_close(&c);
  enet_socket_destroy(s);
}

/* ---- The way in ------------------------------------------------------------------------------ */

TEST(what_was_joined_is_taken_apart) {
  static uint8_t data[65536];
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port, from;
  ENetSocket s = socket_open(&port);
  uint8_t one[LARGEST];
  server_open(&c);
  h = host_of(&c);
  check_nothing_read(h); /* from now on the system joins */
  for (uint32_t i = 0; i < 30; i++) payload_fill(data + 1000 * (size_t)i, i < 29 ? 1000 : 37, i);
  for (int round = 0; round < 5; round++) {
    send_joined(s, port_of(&c), data, 29037, 1000);
    await_readable(h->enet->socket);
    socket_send(s, port_of(&c), data, 500);
    enetjs_batch_begin(h->batch);
    for (uint32_t i = 0; i < 30; i++) {
      size_t length = i < 29 ? 1000 : 37;
      CHECK_EQ_INT(receive_as_enet(h, &from, one), length);
      CHECK_EQ_INT(from, port);
      CHECK(payload_is(one, length, i));
    }
    enetjs_batch_end(h->batch);
    check_read(h, 0, 500);
    check_nothing_read(h);
  }
  consumer_close(&c);
  enet_socket_destroy(s);
}

TEST(a_round_ends_so_that_what_it_read_is_dispatched) {
  static uint8_t data[40 * 1000];
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port, from;
  unsigned rounds = 0;
  ENetSocket s = socket_open(&port);
  uint8_t one[LARGEST];
  server_open(&c);
  h = host_of(&c);
  check_nothing_read(h);
  for (uint32_t i = 0; i < 40; i++) payload_fill(data + 1000 * (size_t)i, 1000, i);
  send_joined(s, port_of(&c), data, 40 * 1000, 1000);
  await_readable(h->enet->socket);
  enetjs_batch_begin(h->batch);
  for (uint32_t i = 0; i < 40; i++) {
    int got = receive_as_enet(h, &from, one);
    if (got == 0) {
      CHECK(enetjs_batch_unread(h->batch));
      rounds++;
      got = receive_as_enet(h, &from, one);
    }
    CHECK_EQ_INT(got, 1000);
    CHECK(!enetjs_batch_unread(h->batch));
    CHECK(payload_is(one, 1000, i));
  }
  CHECK_EQ_INT(receive_as_enet(h, &from, one), 0);
  CHECK(!enetjs_batch_unread(h->batch));
  enetjs_batch_end(h->batch);
  CHECK_EQ_INT(rounds, 1);
  consumer_close(&c);
  enet_socket_destroy(s);
}

TEST(what_was_not_read_waits_for_the_next_section) {
  struct consumer c;
  struct enetjs_host *h;
  enetjs_pollfd fd = {0};
  uint16_t port;
  ENetSocket s = socket_open(&port);
  server_open(&c);
  h = host_of(&c);
  fd.fd = h->enet->socket;
  fd.events = POLLIN;
  CHECK_EQ_INT(enetjs_next_wait(h), -1);
  send_ten(s, &c);
  for (uint32_t i = 0; i < 10; i++) {
    check_read(h, i, 100);
    CHECK_EQ_INT(enetjs_batch_prefetched(h->batch), i < 9);
    CHECK_EQ_INT(enetjs_next_wait(h), i < 9 ? 0 : -1);
    CHECK_EQ_INT(enetjs_poll(&fd, 1, 0), 0); /* which is why */
  }
  check_nothing_read(h);
  consumer_close(&c);
  enet_socket_destroy(s);
}

/* ENet is told that there is none left without a look at the socket: once, and only in the same section. */
TEST(what_arrives_later_is_found_at_once) {
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  uint8_t data[LARGEST] = {0};
  server_open(&c);
  h = host_of(&c);
  for (int round = 0; round < 3; round++) {
    CHECK_EQ_INT(socket_send(s, port_of(&c), data, 10), 10);
    await_readable(h->enet->socket);
    enetjs_batch_begin(h->batch);
    CHECK_EQ_INT(receive_as_enet(h, NULL, data), 10);
    enetjs_batch_end(h->batch);
  }
  CHECK_EQ_INT(socket_send(s, port_of(&c), data, 10), 10);
  await_readable(h->enet->socket);
  enetjs_batch_begin(h->batch);
  CHECK_EQ_INT(receive_as_enet(h, NULL, data), 10);
  CHECK_EQ_INT(receive_as_enet(h, NULL, data), 0);
  CHECK_EQ_INT(socket_send(s, port_of(&c), data, 10), 10);
  await_readable(h->enet->socket);
  CHECK_EQ_INT(receive_as_enet(h, NULL, data), 10);
  enetjs_batch_end(h->batch);
  consumer_close(&c);
  enet_socket_destroy(s);
}

TEST(a_close_drops_what_was_not_read) {
  struct consumer c;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  for (int round = 0; round < 3; round++) {
    server_open(&c);
    send_ten(s, &c);
    check_read(host_of(&c), 0, 100);
    CHECK(enetjs_batch_prefetched(host_of(&c)->batch));
    consumer_close(&c);
  }
  /* A new host in the same block has nothing of it. */
  server_open(&c);
  check_nothing_read(host_of(&c));
  consumer_close(&c);
  enet_socket_destroy(s);
  check_nothing_left();
}

TEST(oversized_and_empty_datagrams_are_passed_over) {
  static uint8_t large[60000];
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  uint8_t data[LARGEST];
  server_open(&c);
  h = host_of(&c);
  check_nothing_read(h);
  socket_send(s, port_of(&c), large, 4097);
  socket_send(s, port_of(&c), large, 60000);
  send_joined(s, port_of(&c), large, 15000, 5000);
  socket_send(s, port_of(&c), large, 0);
  for (uint32_t i = 0; i < 3; i++) {
    payload_fill(data, sizeof(data), i);
    socket_send(s, port_of(&c), data, sizeof(data));
    socket_send(s, port_of(&c), large, 0);
    socket_send(s, port_of(&c), large, 30000);
  }
  for (uint32_t i = 0; i < 3; i++) check_read(h, i, sizeof(data));
  UNTIL(statistic(&c, ENETJS_HOST_STAT_SOCKET_ERRORS) == 5 + 3, check_nothing_read(h));
  consumer_close(&c);
  enet_socket_destroy(s);
}

static bool woken(struct consumer *c, int patience_ms) {
  enetjs_pollfd fd = {0};
  fd.fd = c->wake;
  fd.events = POLLIN;
  if (enetjs_poll(&fd, 1, patience_ms) != 1) return false;
  enetjs_drain(c->wake);
  return true;
}

static void pumped_open(struct consumer *c, double stall_limit) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  c->config[ENETJS_CONFIG_PUMP] = 1;
  c->config[ENETJS_CONFIG_STALL_LIMIT] = stall_limit;
  consumer_open(c);
}

/* Nothing is to be seen on the socket any more; still the consumer has to come again. */
TEST(the_pump_calls_for_what_was_not_read) {
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  uint8_t data[LARGEST];
  pumped_open(&c, 60000);
  send_ten(s, &c);
  consumer_start_pump(&c);
  CHECK(woken(&c, PATIENCE_MS));
  h = enetjs_host_acquire(c.host);
  CHECK(h != NULL);
  h->signalled = false;
  enetjs_batch_begin(h->batch);
  CHECK_EQ_INT(receive_as_enet(h, NULL, data), 100);
  enetjs_batch_end(h->batch);
  CHECK(enetjs_batch_prefetched(h->batch));
  enetjs_pump_rearm(h);
  enetjs_host_release(h);
  CHECK(woken(&c, PATIENCE_MS));
  CHECK_EQ_INT(enetjs_host_service(c.host, 0), 0);
  CHECK(!woken(&c, 50));
  enet_socket_destroy(s);
  consumer_close(&c);
  check_nothing_left();
}

TEST(a_woken_consumer_gets_everything) {
  enum { MESSAGES = 400 };
  struct consumer server, client;
  double peer;
  pumped_open(&server, 60000);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  consumer_start_pump(&server);
  for (int i = 0; i < MESSAGES; i++) {
    CHECK_EQ_INT(send_text(&client, peer, 0, "text", 0), 0);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  }
  while (server.receives < MESSAGES) {
    CHECK(woken(&server, PATIENCE_MS));
    CHECK(enetjs_host_service(server.host, 0) >= 0);
    consumer_drain(&server);
  }
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(the_pump_reads_on_for_a_stalled_consumer) {
  enum { MESSAGES = 300 };
  struct consumer server, client;
  double peer;
  pumped_open(&server, 5);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  consumer_start_pump(&server);
  for (uint32_t i = 0; i < MESSAGES; i++) {
    CHECK_EQ_INT(send_text(&client, peer, ENET_PACKET_FLAG_RELIABLE, "text", i + 1), 0);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  }
  UNTIL(client.delivered == MESSAGES, consumer_poll(&client));
  CHECK_EQ_INT(server.receives, 0);
  UNTIL(server.receives == MESSAGES, consumer_poll(&server));
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(a_service_with_a_timeout_does_not_wait_for_what_was_not_read) {
  struct consumer server, client;
  uint64_t start;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  consumer_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (int i = 0; i < 200; i++) {
    CHECK_EQ_INT(send_text(&client, peer, 0, "text", 0), 0);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  }
  start = test_now_ms();
  while (server.receives < 200) {
    CHECK(enetjs_host_service(server.host, PATIENCE_MS) > 0);
    while (event_take(&server)) {
    }
  }
  CHECK(test_now_ms() - start < PATIENCE_MS);
  consumer_close(&client);
  consumer_close(&server);
}

/* ---- Others ---------------------------------------------------------------------------------- */

TEST(sockets_of_others_are_left_alone) {
  struct consumer c;
  struct enetjs_host *h;
  uint16_t from, to;
  ENetSocket a = socket_open(&from), b = socket_open(&to);
  uint8_t data[300];
  server_open(&c);
  h = host_of(&c);
  enetjs_batch_begin(h->batch);
  for (uint32_t i = 0; i < 3; i++) {
    payload_fill(data, sizeof(data), i);
    CHECK_EQ_INT(socket_send(a, to, data, sizeof(data)), sizeof(data));
    check_received(b, i, sizeof(data)); /* within our section */
    check_nothing_received(b);
  }
  CHECK_EQ_INT(socket_send(a, to, data, sizeof(data)), sizeof(data));
  await_readable(b);
  CHECK(socket_receive(b, NULL, data, 100) < 0); /* cut off */
  check_nothing_received(b);
  CHECK_EQ_INT(socket_send(a, to, data, 65508), -1);
  enetjs_batch_end(h->batch);
  CHECK_EQ_INT(enet_socket_send(-1, NULL, NULL, 0), -1);
  CHECK_EQ_INT(socket_receive(-1, NULL, data, 100), -1);
  enet_socket_destroy(a);
  enet_socket_destroy(b);
  consumer_close(&c);
}

/* A host that is not ours, on the same thread, before, during and after. */
TEST(hosts_of_others_are_left_alone) {
  struct consumer c;
  ENetAddress address = loopback(0);
  ENetHost *server = enet_host_create(&address, 2, 2, 0, 0), *client = enet_host_create(NULL, 1, 2, 0, 0);
  ENetPeer *peer;
  ENetEvent event;
  unsigned connected = 0, received = 0;
  CHECK(server && client);
  server_open(&c);
  peer = enet_host_connect(client, &server->address, 2, 0);
  CHECK(peer != NULL);
  enetjs_batch_begin(host_of(&c)->batch);
  UNTIL(connected == 2, {
    if (enet_host_service(server, &event, 0) > 0) connected += event.type == ENET_EVENT_TYPE_CONNECT;
    if (enet_host_service(client, &event, 0) > 0) connected += event.type == ENET_EVENT_TYPE_CONNECT;
  });
  for (int i = 0; i < 50; i++)
    enet_peer_send(peer, 0, enet_packet_create("text", 4, ENET_PACKET_FLAG_RELIABLE));
  UNTIL(received == 50, {
    enet_host_service(client, &event, 0);
    while (enet_host_service(server, &event, 0) > 0) {
      if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
      enet_packet_destroy(event.packet);
      received++;
    }
  });
  enetjs_batch_end(host_of(&c)->batch);
  consumer_close(&c);
  enet_host_destroy(client);
  enet_host_destroy(server);
  check_nothing_left();
}

/* ---- All of it ------------------------------------------------------------------------------- */

struct tally {
  uint32_t next[4][2];
};

static void check_message(struct consumer *c, const struct record *r) {
  struct tally *tally = c->context;
  uint32_t number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, tally->next[r->index][r->channel]++);
  CHECK(payload_is(r->payload + sizeof(number), r->length - sizeof(number), number));
}

/* Several peers, both ways, lengths of all kinds, and what one side counts as sent the other has received. */
static void exchange_of_everything(double compression) {
  enum { PEERS = 4, MESSAGES = 1500 / SLOW };
  static uint8_t data[20004];
  struct consumer server, clients[PEERS];
  struct tally sent = {0}, seen_by_server = {0}, seen[PEERS] = {0};
  double peers[PEERS], back[PEERS], out = 0, in = 0;
  uint64_t random = 5;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_COMPRESSION] = compression;
  consumer_open(&server);
  server.on_event = check_message;
  server.context = &seen_by_server;
  for (int i = 0; i < PEERS; i++) {
    consumer_start(&clients[i]);
    clients[i].config[ENETJS_CONFIG_COMPRESSION] = compression;
    clients[i].config[ENETJS_CONFIG_ADDRESS] = -1;
    consumer_open(&clients[i]);
    clients[i].on_event = check_message;
    clients[i].context = &seen[i];
    peers[i] = connect_pair_of(&clients[i], &server);
    back[i] = server.peer;
  }
  for (int i = 0; i < MESSAGES; i++)
    for (int p = 0; p < PEERS; p++) {
      double channel = test_random_below(&random, 2);
      size_t length = test_random_below(&random, 20) ? test_random_below(&random, 1500) : 20000;
      uint32_t number = sent.next[p][(int)channel]++;
      memcpy(data, &number, sizeof(number));
      payload_fill(data + sizeof(number), length, number);
      CHECK(enetjs_peer_send_buffer(clients[p].host, peers[p], channel, 1, data, (double)length + 4, 0) >= 0);
      CHECK(enetjs_peer_send_buffer(server.host, back[p], channel, 1, data, (double)length + 4, 0) >= 0);
      if (i % 50 == 0) poll_both(&clients[p], &server);
    }
  UNTIL(server.receives == PEERS * MESSAGES, {
    consumer_poll(&server);
    for (int p = 0; p < PEERS; p++) consumer_poll(&clients[p]);
  });
  for (int p = 0; p < PEERS; p++) {
    UNTIL(clients[p].receives == MESSAGES, poll_both(&clients[p], &server));
    out += statistic(&clients[p], ENETJS_HOST_STAT_SENT_DATA);
    in += statistic(&clients[p], ENETJS_HOST_STAT_RECEIVED_DATA);
  }
  consumer_poll(&server);
  /* The kernel may lose some; it does not add any. */
  CHECK(statistic(&server, ENETJS_HOST_STAT_RECEIVED_DATA) <= out);
  CHECK(statistic(&server, ENETJS_HOST_STAT_RECEIVED_DATA) > out * 0.9);
  CHECK(in <= statistic(&server, ENETJS_HOST_STAT_SENT_DATA));
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_SOCKET_ERRORS), 0);
  for (int p = 0; p < PEERS; p++) consumer_close(&clients[p]);
  consumer_close(&server);
  check_nothing_left();
}

TEST(everything_arrives_in_order) { exchange_of_everything(0); }

TEST(everything_arrives_in_order_compressed) { exchange_of_everything(1); }

TEST(everything_arrives_with_small_buffers) {
  struct consumer server, client;
  static uint8_t data[5000];
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_RECEIVE_BUFFER] = 16384;
  consumer_open(&server);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_SEND_BUFFER] = 1;
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  for (uint32_t i = 0; i < 20; i++)
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, data, i % 2 ? sizeof(data) : 50, i + 1) >= 0);
  UNTIL(client.delivered == 20, poll_both(&client, &server));
  CHECK_EQ_INT(server.receives, 20);
  consumer_close(&client);
  consumer_close(&server);
}

/* ENet flushes by itself when a peer is told at once. */
TEST(a_notice_leaves_with_its_call) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  poll_both(&client, &server);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 9, ENETJS_DISCONNECT_NOW), 0);
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  CHECK_EQ_INT(server.last.data, 9);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(calls_of_libenet_arrive),
      TEST_CASE(all_leaves_at_the_end_of_a_section_in_order),
      TEST_CASE(random_lengths_and_destinations_keep_their_order),
      TEST_CASE(a_full_batch_leaves_at_once),
      TEST_CASE(datagrams_of_one_length_leave_as_one_message),
      TEST_CASE(a_refusal_is_got_round_and_tried_again_later),
      TEST_CASE(an_unreachable_destination_does_not_lose_the_others),
      TEST_CASE(what_a_full_buffer_does_not_take_is_lost_without_an_error),
      TEST_CASE(raw_datagrams_leave_at_once),
      TEST_CASE(what_was_joined_is_taken_apart),
      TEST_CASE(a_round_ends_so_that_what_it_read_is_dispatched),
      TEST_CASE(what_was_not_read_waits_for_the_next_section),
      TEST_CASE(what_arrives_later_is_found_at_once),
      TEST_CASE(a_close_drops_what_was_not_read),
      TEST_CASE(oversized_and_empty_datagrams_are_passed_over),
      TEST_CASE(the_pump_calls_for_what_was_not_read),
      TEST_CASE(a_woken_consumer_gets_everything),
      TEST_CASE(the_pump_reads_on_for_a_stalled_consumer),
      TEST_CASE(a_service_with_a_timeout_does_not_wait_for_what_was_not_read),
      TEST_CASE(sockets_of_others_are_left_alone),
      TEST_CASE(hosts_of_others_are_left_alone),
      TEST_CASE(everything_arrives_in_order),
      TEST_CASE(everything_arrives_in_order_compressed),
      TEST_CASE(everything_arrives_with_small_buffers),
      TEST_CASE(a_notice_leaves_with_its_call),
  };
  return test_run(cases, TEST_COUNT(cases));
}

#else

int main(void) { return test_skip("the test has functions in place of Linux's"); }

#endif
