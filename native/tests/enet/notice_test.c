/*
 * The DISCONNECT that peers on plain ENet get when a host ends: by a close, with its thread, or with the
 * process.
 */
#ifndef _WIN32
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
#endif

#include "../consumer.h"

#define CLIENTS 4

static const char *program;

/* ---- The other side -------------------------------------------------------------------------- */

struct stock {
  ENetHost *enet;
  ENetPeer *peer; /* of its last event */
  unsigned connects, disconnects, receives;
  unsigned datagrams, notices;
  enet_uint32 data; /* of the last event */
};

/* Counts what arrives; a notice is a datagram of nothing but an unsequenced DISCONNECT. */
static int ENET_CALLBACK count_datagram(ENetHost *enet, ENetEvent *event) {
  struct stock *s = enet->peers[0].data;
  size_t header = 2 + (enet->checksum ? sizeof(enet_uint32) : 0);
  (void)event;
  s->datagrams++;
  if (enet->receivedDataLength == header + sizeof(ENetProtocolDisconnect) &&
      enet->receivedData[header] ==
          (ENET_PROTOCOL_COMMAND_DISCONNECT | ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED))
    s->notices++;
  return 0;
}

static void stock_open(struct stock *s, bool bound) {
  ENetAddress address = {.port = 0};
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  memset(s, 0, sizeof(*s));
  s->enet = enet_host_create(bound ? &address : NULL, 8, 2, 0, 0);
  CHECK(s->enet != NULL);
  s->enet->peers[0].data = s;
  s->enet->intercept = count_datagram;
}

static void stock_connect(struct stock *s, uint16_t port) {
  ENetAddress address = {.port = port};
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  CHECK(enet_host_connect(s->enet, &address, 2, 0) != NULL);
}

static void stock_poll(struct stock *s) {
  ENetEvent event;
  while (enet_host_service(s->enet, &event, 0) > 0) {
    s->peer = event.peer;
    s->data = event.data;
    if (event.type == ENET_EVENT_TYPE_CONNECT) s->connects++;
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) s->disconnects++;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    s->receives++;
    enet_packet_destroy(event.packet);
  }
}

static void poll_all(struct stock *s, size_t count) {
  for (size_t i = 0; i < count; i++) stock_poll(&s[i]);
  test_yield();
}

static unsigned connects_of(const struct stock *s, size_t count) {
  unsigned sum = 0;
  for (size_t i = 0; i < count; i++) sum += s[i].connects;
  return sum;
}

static unsigned disconnects_of(const struct stock *s, size_t count) {
  unsigned sum = 0;
  for (size_t i = 0; i < count; i++) sum += s[i].disconnects;
  return sum;
}

static void connect_all(struct stock *s, size_t count, uint16_t port) {
  for (size_t i = 0; i < count; i++) {
    stock_open(&s[i], false);
    stock_connect(&s[i], port);
  }
}

static void check_all_told_once(struct stock *s, size_t count) {
  UNTIL(disconnects_of(s, count) == count, poll_all(s, count));
  for (int i = 0; i < 20; i++) poll_all(s, count);
  for (size_t i = 0; i < count; i++) {
    CHECK_EQ_INT(s[i].disconnects, 1);
    CHECK_EQ_INT(s[i].notices, 1);
    enet_host_destroy(s[i].enet);
  }
}

/* The server is serviced, and nobody takes its events. */
static void service_untaken(const struct consumer *server) {
  CHECK(enetjs_host_service(server->host, 0) >= 0);
}

static void pumped_open(struct consumer *c) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_PUMP] = 1;
  consumer_open(c);
  consumer_start_pump(c);
}

static void open_both(struct consumer *client, struct stock *server) {
  stock_open(server, true);
  client_open(client);
}

/* Opens both, and connects them. @returns the peer */
static double open_connected(struct consumer *client, struct stock *server) {
  double peer;
  open_both(client, server);
  peer = enetjs_host_connect(client->host, LOOPBACK, server->enet->address.port, 2, 0);
  CHECK(peer > 0);
  UNTIL(client->connects == 1 && server->connects == 1, (consumer_poll(client), stock_poll(server)));
  for (int i = 0; i < 20; i++) (consumer_poll(client), stock_poll(server));
  return peer;
}

static void stock_end(struct stock *s) {
  enet_host_destroy(s->enet);
  check_nothing_left();
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void check_close_tells(bool checksum, bool compress) {
  struct consumer server;
  struct stock clients[CLIENTS];
  consumer_start(&server);
  server.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  server.config[ENETJS_CONFIG_COMPRESSION] = compress;
  consumer_open(&server);
  connect_all(clients, CLIENTS, port_of(&server));
  for (int i = 0; i < CLIENTS; i++) {
    if (checksum) clients[i].enet->checksum = enet_crc32;
    if (compress) enet_host_compress_with_range_coder(clients[i].enet);
  }
  UNTIL(connects_of(clients, CLIENTS) == CLIENTS &&
            statistic(&server, ENETJS_HOST_STAT_CONNECTED_PEERS) == CLIENTS,
        (service_untaken(&server), poll_all(clients, CLIENTS)));
  consumer_close(&server);
  check_all_told_once(clients, CLIENTS);
  check_nothing_left();
}

TEST(closing_tells_peers_whose_connect_events_were_not_taken) { check_close_tells(false, false); }
TEST(closing_tells_with_checksum) { check_close_tells(true, false); }
TEST(closing_tells_with_compression_and_checksum) { check_close_tells(true, true); }

/* The server has answered each, and their acknowledgements have arrived and not been read. */
TEST(closing_tells_peers_that_are_connecting) {
  struct consumer server;
  struct stock clients[CLIENTS];
  server_open(&server);
  connect_all(clients, CLIENTS, port_of(&server));
  for (int i = 0; i < CLIENTS; i++) enet_host_flush(clients[i].enet);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_SENT_PACKETS) >= CLIENTS, service_untaken(&server));
  UNTIL(connects_of(clients, CLIENTS) == CLIENTS, poll_all(clients, CLIENTS));
  consumer_close(&server);
  check_all_told_once(clients, CLIENTS);
  check_nothing_left();
}

/* The other side has answered, and this side has not read it. */
TEST(closing_ends_an_own_attempt_that_was_answered) {
  struct consumer client;
  struct stock server;
  open_both(&client, &server);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, server.enet->address.port, 2, 0) > 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  UNTIL(server.enet->totalSentPackets > 0, stock_poll(&server));
  CHECK_EQ_INT(server.enet->peers[0].state, ENET_PEER_STATE_ACKNOWLEDGING_CONNECT);
  consumer_close(&client);
  UNTIL(server.enet->peers[0].state == ENET_PEER_STATE_DISCONNECTED, poll_all(&server, 1));
  CHECK_EQ_INT(server.notices, 1);
  CHECK_EQ_INT(server.connects, 0);
  stock_end(&server);
}

TEST(closing_sends_no_request_that_had_not_left) {
  struct consumer client;
  struct stock server;
  open_both(&client, &server);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, server.enet->address.port, 2, 0) > 0);
  consumer_close(&client);
  for (int i = 0; i < 20; i++) poll_all(&server, 1);
  CHECK_EQ_INT(server.datagrams, 0);
  stock_end(&server);
}

/* It has been told by a DISCONNECT that waits to be acknowledged. */
TEST(nobody_is_told_twice) {
  struct consumer client;
  struct stock server;
  double peer;
  unsigned before;
  peer = open_connected(&client, &server);
  before = server.datagrams;
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 77, ENETJS_DISCONNECT), 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  consumer_close(&client);
  UNTIL(server.disconnects == 1, poll_all(&server, 1));
  for (int i = 0; i < 20; i++) poll_all(&server, 1);
  CHECK_EQ_INT(server.datagrams, before + 1);
  CHECK_EQ_INT(server.data, 77);
  stock_end(&server);
}

TEST(a_disconnect_that_had_not_left_is_told) {
  struct consumer client;
  struct stock server;
  double peer;
  peer = open_connected(&client, &server);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 78, ENETJS_DISCONNECT), 0);
  consumer_close(&client);
  UNTIL(server.disconnects == 1, poll_all(&server, 1));
  CHECK_EQ_INT(server.notices, 1);
  CHECK_EQ_INT(server.data, 78);
  stock_end(&server);
}

/* ---- Shutting down -------------------------------------------------------------------------------- */

TEST(shutting_down_an_empty_host_waits_for_nobody) {
  struct consumer server;
  server_open(&server);
  CHECK_EQ_INT(enetjs_host_shutdown(server.host, 0), 0);
  for (int i = 0; i < 5; i++) consumer_poll(&server);
  CHECK_EQ_INT(server.shutdowns, 0);
  consumer_close(&server);
  CHECK_EQ_INT(enetjs_host_shutdown(server.host, 0), ENETJS_ERR_CLOSED);
}

TEST(shutting_down_waits_for_peers_whose_connect_events_were_not_taken) {
  struct consumer server;
  struct stock clients[CLIENTS];
  server_open(&server);
  connect_all(clients, CLIENTS, port_of(&server));
  UNTIL(connects_of(clients, CLIENTS) == CLIENTS &&
            statistic(&server, ENETJS_HOST_STAT_CONNECTED_PEERS) == CLIENTS,
        (service_untaken(&server), poll_all(clients, CLIENTS)));
  CHECK_EQ_INT(enetjs_host_shutdown(server.host, 0), 1);
  UNTIL(server.shutdowns == 1, (consumer_poll(&server), poll_all(clients, CLIENTS)));
  CHECK_EQ_INT(server.connects, CLIENTS);
  CHECK_EQ_INT(server.disconnects, CLIENTS);
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_LOCAL);
  CHECK_EQ_INT(disconnects_of(clients, CLIENTS), CLIENTS);
  for (int i = 0; i < 5; i++) consumer_poll(&server);
  CHECK_EQ_INT(server.shutdowns, 1);
  consumer_close(&server);
  for (int i = 0; i < 20; i++) poll_all(clients, CLIENTS);
  for (int i = 0; i < CLIENTS; i++) {
    CHECK_EQ_INT(clients[i].notices, 0);
    enet_host_destroy(clients[i].enet);
  }
  check_nothing_left();
}

TEST(shutting_down_delivers_what_is_queued) {
  enum { MESSAGES = 3000 };
  struct consumer client;
  struct stock server;
  double peer;
  peer = open_connected(&client, &server);
  for (int i = 0; i < MESSAGES; i++) CHECK(send_text(&client, peer, 1, "before the end", 0) >= 0);
  CHECK_EQ_INT(enetjs_host_shutdown(client.host, 0), 1);
  CHECK_EQ_INT(send_text(&client, peer, 1, "too late", 0), ENETJS_ERR_NOT_CONNECTED);
  UNTIL(client.shutdowns == 1, (consumer_poll(&client), stock_poll(&server)));
  CHECK_EQ_INT(server.receives, MESSAGES);
  CHECK_EQ_INT(server.disconnects, 1);
  consumer_close(&client);
  stock_end(&server);
}

/*
 * An own attempt is answered while the host is shut down: the other side is told, the program hears of its
 * end only.
 */
TEST(shutting_down_ends_an_attempt_once_it_is_answered) {
  struct consumer client;
  struct stock server;
  open_both(&client, &server);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, server.enet->address.port, 2, 0) > 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK_EQ_INT(enetjs_host_shutdown(client.host, 0), 1);
  UNTIL(client.shutdowns == 1, (consumer_poll(&client), stock_poll(&server)));
  CHECK_EQ_INT(server.connects, 1);
  CHECK_EQ_INT(server.disconnects, 1);
  CHECK_EQ_INT(client.connects + client.connected, 0);
  CHECK_EQ_INT(client.closed, 1);
  consumer_close(&client);
  stock_end(&server);
}

TEST(shutting_down_does_not_wait_for_attempts_of_others) {
  struct consumer server;
  struct stock client;
  server_open(&server);
  connect_all(&client, 1, port_of(&server));
  enet_host_flush(client.enet);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_SENT_PACKETS) >= 1, service_untaken(&server));
  CHECK_EQ_INT(enetjs_host_shutdown(server.host, 0), 0);
  /* One that goes on and succeeds is disconnected. */
  UNTIL(client.disconnects == 1, (consumer_poll(&server), poll_all(&client, 1)));
  CHECK_EQ_INT(server.connects + server.disconnects, 0);
  consumer_close(&server);
  enet_host_destroy(client.enet);
  check_nothing_left();
}

TEST(a_peer_that_is_reset_is_waited_for_no_longer) {
  struct consumer client;
  struct stock server;
  double peer;
  peer = open_connected(&client, &server);
  CHECK_EQ_INT(enetjs_host_shutdown(client.host, 0), 1);
  CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  consumer_drain(&client);
  CHECK_EQ_INT(client.shutdowns, 1);
  consumer_close(&client);
  stock_end(&server);
}

/* ---- Owners that vanish ---------------------------------------------------------------------- */

TEST(a_closed_wake_up_tells_all_peers) {
  struct consumer server;
  struct stock clients[CLIENTS];
  pumped_open(&server);
  connect_all(clients, CLIENTS, port_of(&server));
  UNTIL(connects_of(clients, CLIENTS) == CLIENTS &&
            statistic(&server, ENETJS_HOST_STAT_CONNECTED_PEERS) == CLIENTS,
        poll_all(clients, CLIENTS));
  enetjs_fd_close(server.wake);
  server.wake = ENETJS_FD_NONE;
  check_all_told_once(clients, CLIENTS);
  UNTIL(diagnostic(ENETJS_DIAGNOSTIC_HOSTS) + diagnostic(ENETJS_DIAGNOSTIC_PUMPS) == 0, test_yield());
  consumer_free(&server);
  check_nothing_left();
}

struct owner {
  struct consumer server;
  struct stock clients[CLIENTS];
  bool pump;
};

static void serve_and_exit(void *argument) {
  struct owner *o = argument;
  if (o->pump)
    pumped_open(&o->server);
  else
    server_open(&o->server);
  connect_all(o->clients, CLIENTS, port_of(&o->server));
  UNTIL(connects_of(o->clients, CLIENTS) == CLIENTS &&
            statistic(&o->server, ENETJS_HOST_STAT_CONNECTED_PEERS) == CLIENTS,
        (service_untaken(&o->server), poll_all(o->clients, CLIENTS)));
}

TEST(a_thread_that_exits_tells_all_peers) {
  for (int pump = 0; pump < 2; pump++) {
    static struct owner owner;
    enetjs_thread thread;
    owner.pump = pump;
    CHECK(enetjs_thread_start(&thread, serve_and_exit, &owner));
    enetjs_thread_join(thread);
    check_all_told_once(owner.clients, CLIENTS);
    UNTIL(diagnostic(ENETJS_DIAGNOSTIC_HOSTS) + diagnostic(ENETJS_DIAGNOSTIC_PUMPS) == 0, test_yield());
    owner.server.wake = ENETJS_FD_NONE; /* closed with the host */
    consumer_free(&owner.server);
  }
  check_nothing_left();
}

/* ---- The end of the process ------------------------------------------------------------------ */

#ifndef _WIN32

/* Queues bytes that are gone when the process exits, as those of a runtime may be. */
static void queue_bytes_that_vanish(struct consumer *c) {
  enum { BYTES = 100000 };
  uint8_t *bytes = malloc(BYTES);
  double packet;
  CHECK(bytes != NULL);
  packet = enetjs_packet_share(bytes, BYTES);
  CHECK(packet > 0);
  consumer_drain(c);
  CHECK(enetjs_peer_send_packet(c->host, c->peer, 0, 1, packet, 0) >= 0);
  free(bytes);
}

/* In a process of its own: one host with a pump, one without, each with half of the clients. */
static int serve_until_exit(const char *way) {
  static struct consumer pumped, plain;
  char line[8];
  pumped_open(&pumped);
  server_open(&plain);
  printf("%u %u\n", port_of(&pumped), port_of(&plain));
  fflush(stdout);
  UNTIL(statistic(&plain, ENETJS_HOST_STAT_CONNECTED_PEERS) == CLIENTS / 2 &&
            statistic(&pumped, ENETJS_HOST_STAT_CONNECTED_PEERS) == CLIENTS / 2,
        (service_untaken(&plain), service_untaken(&pumped)));
  queue_bytes_that_vanish(&plain);
  if (!fgets(line, sizeof(line), stdin)) return EXIT_FAILURE;
#ifdef __linux__
  if (strcmp(way, "quick_exit") == 0) quick_exit(42);
#endif
  if (strcmp(way, "fork") == 0) {
    pid_t child = fork();
    if (child == 0) exit(0);
    waitpid(child, NULL, 0);
    printf("forked\n");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) return EXIT_FAILURE;
  }
  exit(42);
}

struct child {
  pid_t id;
  FILE *in, *out;
};

static void child_start(struct child *c, const char *way) {
  char *arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)way, NULL};
  posix_spawn_file_actions_t actions;
  int in[2], out[2];
  CHECK(pipe(in) == 0 && pipe(out) == 0);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, in[1]);
  posix_spawn_file_actions_addclose(&actions, out[0]);
  CHECK_EQ_INT(posix_spawn(&c->id, program, &actions, NULL, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  c->in = fdopen(in[1], "w");
  c->out = fdopen(out[0], "r");
}

static void child_go_on(struct child *c) {
  fprintf(c->in, "go\n");
  fflush(c->in);
}

static void child_end(struct child *c) {
  int status = 0;
  UNTIL(waitpid(c->id, &status, WNOHANG) == c->id, test_yield());
  CHECK(WIFEXITED(status));
  CHECK_EQ_INT(WEXITSTATUS(status), 42);
  fclose(c->in);
  fclose(c->out);
}

static void child_connect(struct child *c, struct stock *clients) {
  unsigned ports[2];
  CHECK_EQ_INT(fscanf(c->out, "%u %u", &ports[0], &ports[1]), 2);
  for (int i = 0; i < CLIENTS; i++) connect_all(&clients[i], 1, (uint16_t)ports[i % 2]);
  UNTIL(connects_of(clients, CLIENTS) == CLIENTS, poll_all(clients, CLIENTS));
}

static void check_exit_tells(const char *way) {
  struct child child;
  struct stock clients[CLIENTS];
  child_start(&child, way);
  child_connect(&child, clients);
  child_go_on(&child);
  check_all_told_once(clients, CLIENTS);
  child_end(&child);
}

TEST(a_process_that_exits_tells_all_peers) { check_exit_tells("exit"); }

TEST(a_process_that_exits_quickly_tells_all_peers) {
#ifdef __linux__
  check_exit_tells("quick_exit");
#endif
}

/* A child that was forked off exits first, and says nothing. */
TEST(a_forked_child_that_exits_tells_nobody) {
  struct child child;
  struct stock clients[CLIENTS];
  char line[16];
  child_start(&child, "fork");
  child_connect(&child, clients);
  child_go_on(&child);
  CHECK(fscanf(child.out, "%15s", line) == 1 && strcmp(line, "forked") == 0);
  for (int i = 0; i < 20; i++) poll_all(clients, CLIENTS);
  CHECK_EQ_INT(disconnects_of(clients, CLIENTS), 0);
  child_go_on(&child);
  check_all_told_once(clients, CLIENTS);
  child_end(&child);
}

#endif

int main(int argc, char **argv) {
  static const struct test_case cases[] = {
      TEST_CASE(closing_tells_peers_whose_connect_events_were_not_taken),
      TEST_CASE(closing_tells_with_checksum),
      TEST_CASE(closing_tells_with_compression_and_checksum),
      TEST_CASE(closing_tells_peers_that_are_connecting),
      TEST_CASE(closing_ends_an_own_attempt_that_was_answered),
      TEST_CASE(closing_sends_no_request_that_had_not_left),
      TEST_CASE(nobody_is_told_twice),
      TEST_CASE(a_disconnect_that_had_not_left_is_told),
      TEST_CASE(shutting_down_an_empty_host_waits_for_nobody),
      TEST_CASE(shutting_down_waits_for_peers_whose_connect_events_were_not_taken),
      TEST_CASE(shutting_down_delivers_what_is_queued),
      TEST_CASE(shutting_down_ends_an_attempt_once_it_is_answered),
      TEST_CASE(shutting_down_does_not_wait_for_attempts_of_others),
      TEST_CASE(a_peer_that_is_reset_is_waited_for_no_longer),
      TEST_CASE(a_closed_wake_up_tells_all_peers),
      TEST_CASE(a_thread_that_exits_tells_all_peers),
#ifndef _WIN32
      TEST_CASE(a_process_that_exits_tells_all_peers),
      TEST_CASE(a_process_that_exits_quickly_tells_all_peers),
      TEST_CASE(a_forked_child_that_exits_tells_nobody),
#endif
  };
  program = argv[0];
#ifndef _WIN32
  if (argc > 1) return serve_until_exit(argv[1]);
#else
  (void)argc;
#endif
  if (enetjs_host_initialize() < 0) return EXIT_FAILURE; /* before plain ENet allocates */
  return test_run(cases, TEST_COUNT(cases));
}
