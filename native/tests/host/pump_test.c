/* The pump: a thread that wakes the consumer, and stands in for one that stalls. */
#ifndef _WIN32
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
#endif

#include "../consumer.h"

#ifndef _WIN32
#include <sys/socket.h>
#endif

static const char *program;

static void pumped_open(struct consumer *c, double address) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_ADDRESS] = address;
  c->config[ENETJS_CONFIG_PUMP] = 1;
  c->config[ENETJS_CONFIG_PEERS] = 64;
  consumer_open(c);
  consumer_start_pump(c);
}

/* @returns how many wake-ups have come since the last call */
static unsigned wakes_taken(struct consumer *c) {
  char bytes[64];
  int count = (int)recv(c->wake, bytes, sizeof(bytes), 0); /* the descriptor does not block */
  return count > 0 ? (unsigned)count : 0;
}

static bool wake_waits(struct consumer *c, int timeout_ms) {
  enetjs_pollfd fd = {0};
  fd.fd = c->wake;
  fd.events = POLLIN;
  return enetjs_poll(&fd, 1, timeout_ms) > 0;
}

/* As a runtime does it: wait for a wake-up, take it, service. */
static void serve_when_woken(struct consumer *c, int timeout_ms) {
  if (!wake_waits(c, timeout_ms)) return;
  wakes_taken(c);
  consumer_poll(c);
}

static uint32_t services_of(const struct consumer *c) {
  struct enetjs_host *h = host_of(c);
  uint32_t services;
  enetjs_mutex_lock(&h->lock);
  services = h->services;
  enetjs_mutex_unlock(&h->lock);
  return services;
}

/* ---- Wake-ups -------------------------------------------------------------------------------- */

TEST(a_pump_starts_once) {
  struct consumer c;
  pumped_open(&c, LOOPBACK);
  CHECK_EQ_INT(enetjs_host_start(c.host, 0, NULL, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PUMPS), 1);
  consumer_close(&c);
  check_nothing_left();
}

TEST(one_byte_wakes_for_all_that_comes_before_the_service) {
  struct consumer server, client;
  double peer;
  pumped_open(&server, LOOPBACK);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  while (wake_waits(&server, 50)) serve_when_woken(&server, 0);
  for (unsigned round = 0; round < 20; round++) {
    double before = statistic(&server, ENETJS_HOST_STAT_WAKE_UPS);
    unsigned received = server.receives;
    for (int i = 0; i < 5; i++) {
      CHECK_EQ_INT(send_text(&client, peer, 1, "wake up", 0), 0);
      consumer_poll(&client);
    }
    /* All five are taken in the consumer's place, and acknowledged. */
    UNTIL(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0, consumer_poll(&client));
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_WAKE_UPS), before + 1);
    CHECK(wake_waits(&server, PATIENCE_MS));
    CHECK_EQ_INT(wakes_taken(&server), 1);
    consumer_poll(&server);
    CHECK_EQ_INT(server.receives, received + 5);
    while (wake_waits(&server, 0)) serve_when_woken(&server, 0);
  }
  CHECK(statistic(&server, ENETJS_HOST_STAT_PUMP_SERVICES) > 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(an_echo_runs_on_wake_ups_alone) {
  struct consumer server, client;
  double peer;
  pumped_open(&server, LOOPBACK);
  pumped_open(&client, -1);
  peer = enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 2, 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  UNTIL(client.connects == 1 && server.connects == 1,
        (serve_when_woken(&server, 1), serve_when_woken(&client, 1)));
  for (unsigned i = 1; i <= 500 / SLOW; i++) {
    CHECK_EQ_INT(send_text(&client, peer, 1, "ping", 0), 0);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
    UNTIL(server.receives == i, serve_when_woken(&server, 1000));
    CHECK_EQ_INT(send_text(&server, server.peer, 1, "pong", 0), 0);
    CHECK_EQ_INT(enetjs_host_flush(server.host), 0);
    UNTIL(client.receives == i, serve_when_woken(&client, 1000));
  }
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* Resends and the timeout are the pump's own business; the consumer hears of the end. */
TEST(deadlines_are_kept_without_the_consumer) {
  struct consumer client;
  uint16_t port;
  ENetSocket silent = socket_open(&port);
  double peer;
  pumped_open(&client, -1);
  peer = enetjs_host_connect(client.host, LOOPBACK, port, 1, 0);
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 2, 100, 300), 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK(wake_waits(&client, PATIENCE_MS));
  CHECK_EQ_INT(statistic(&client, ENETJS_HOST_STAT_WAKE_UPS), 1);
  consumer_poll(&client);
  CHECK_EQ_INT(client.closed, 1);
  CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_TIMEOUT);
  enet_socket_destroy(silent);
  consumer_close(&client);
}

TEST(a_waiting_service_does_not_spin) {
  struct consumer c;
  uint32_t before;
  uint64_t begin = test_now_ms();
  server_open(&c);
  before = services_of(&c);
  CHECK_EQ_INT(enetjs_host_service(c.host, 100), 0);
  CHECK(test_now_ms() - begin >= 99);
  CHECK(services_of(&c) - before <= 5);
  consumer_close(&c);
}

/* ---- Stalls ---------------------------------------------------------------------------------- */

struct stream {
  uint32_t sent, received;
};

static void expect_next(struct consumer *c, const struct record *r) {
  struct stream *stream = c->context;
  uint32_t number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  CHECK_EQ_INT(r->length, sizeof(number));
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, stream->received);
  stream->received++;
}

TEST(a_stalled_consumer_loses_neither_peers_nor_messages) {
  struct consumer server, client;
  struct stream stream = {0};
  double peer;
  uint64_t end;
  pumped_open(&server, LOOPBACK);
  server.context = &stream;
  server.on_event = expect_next;
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 1, 400, 800), 0);
  CHECK_EQ_INT(enetjs_peer_set(server.host, server.peer, ENETJS_PEER_TIMEOUT, 1, 400, 800), 0);
  end = test_deadline_ms(2500);
  while (!test_deadline_passed(end)) {
    uint32_t number = stream.sent;
    if (enetjs_peer_send_buffer(client.host, peer, 0, 1, (uint8_t *)&number, sizeof(number), 0) == 0)
      stream.sent++;
    CHECK(enetjs_host_service(client.host, 1) >= 0);
    consumer_drain(&client);
    CHECK_EQ_INT(client.disconnects, 0);
  }
  CHECK(stream.sent > 100);
  CHECK(statistic(&server, ENETJS_HOST_STAT_PUMP_SERVICES) > 20);
  CHECK(statistic(&server, ENETJS_HOST_STAT_HELD_RECORDS) > 0);
  CHECK_EQ_INT(stream.received, 0);
  UNTIL(stream.received == stream.sent, (consumer_poll(&client), consumer_poll(&server)));
  CHECK_EQ_INT(server.disconnects, 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Quiet ----------------------------------------------------------------------------------- */

static bool sleeps(const struct consumer *c) {
  struct enetjs_host *h = host_of(c);
  bool watching;
  enetjs_mutex_lock(&h->lock);
  watching = h->sleeper.watching;
  enetjs_mutex_unlock(&h->lock);
  return watching;
}

TEST(a_pump_that_has_slept_for_days_is_told_of_a_deadline) {
  const enet_uint32 days = 1074 * 1000 * 1000; /* 12.43 of them: a bit more than 2^30 ms */
  struct consumer client;
  uint8_t datagram[4096];
  unsigned attempts = 0;
  uint16_t port;
  ENetSocket silent = socket_open(&port);
  pumped_open(&client, -1);
  UNTIL(sleeps(&client), test_yield());
  for (enet_uint32 more = 0; more < 3; more++) {
    double peer;
    enet_time_set(enet_time_get() + days);
    peer = enetjs_host_connect(client.host, LOOPBACK, port, 1, 0);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
    attempts = 0;
    UNTIL(attempts == 2, attempts += socket_receive(silent, NULL, datagram, sizeof(datagram)) > 0);
    CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  }
  enet_socket_destroy(silent);
  consumer_close(&client);
  check_nothing_left();
}

TEST(an_idle_host_does_nothing) {
  struct consumer c;
  uint32_t before;
  pumped_open(&c, LOOPBACK);
  before = services_of(&c);
  CHECK(!wake_waits(&c, 300));
  CHECK_EQ_INT(services_of(&c), before);
  CHECK_EQ_INT(statistic(&c, ENETJS_HOST_STAT_WAKE_UPS), 0);
  consumer_close(&c);
}

TEST(silent_peers_cost_no_more_than_their_pings) {
  enum { PEERS = 50 };
  struct consumer server, client;
  double wakes, received, sent;
  uint32_t services;
  uint64_t end;
  pumped_open(&server, LOOPBACK);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_PEERS] = PEERS;
  consumer_open(&client);
  for (int i = 0; i < PEERS; i++)
    CHECK(enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 1, 0) > 0);
  UNTIL(client.connects == PEERS && server.connects == PEERS, poll_both(&client, &server));
  while (wake_waits(&server, 20)) serve_when_woken(&server, 0);
  wakes = statistic(&server, ENETJS_HOST_STAT_WAKE_UPS);
  received = statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS);
  sent = statistic(&server, ENETJS_HOST_STAT_SENT_PACKETS);
  services = services_of(&server);
  end = test_deadline_ms(1500);
  while (!test_deadline_passed(end)) {
    CHECK(enetjs_host_service(client.host, 0) >= 0);
    serve_when_woken(&server, 5);
  }
  serve_when_woken(&server, 0);
  wakes = statistic(&server, ENETJS_HOST_STAT_WAKE_UPS) - wakes;
  received = statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS) - received;
  sent = statistic(&server, ENETJS_HOST_STAT_SENT_PACKETS) - sent;
  services = services_of(&server) - services;
  CHECK(received > 0);
  CHECK(wakes <= received);
  CHECK(received <= PEERS * 2 * 4); /* in 1.5 seconds, each way at most 4 pings and their answers */
  CHECK(services <= 2 * (received + sent));
  CHECK_EQ_INT(server.disconnects + client.disconnects, 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct worker {
  struct consumer *host;
  double peer;
  unsigned channel, count;
  unsigned sent;
  atomic_bool stop;
};

static void send_and_service(void *argument) {
  struct worker *w = argument;
  while (w->sent < w->count) {
    if (send_text(w->host, w->peer, 1, "from one thread", 0) >= 0) w->sent++;
    if (w->sent % 8 == 0) CHECK(enetjs_host_service(w->host->host, 0) >= 0);
  }
}

static void send_and_meddle(void *argument) {
  struct worker *w = argument;
  while (w->sent < w->count) {
    if (send_text(w->host, w->peer, 1, "from another", 0) >= 0) w->sent++;
    CHECK_EQ_INT(enetjs_host_flush(w->host->host), 0);
    CHECK_EQ_INT(enetjs_peer_state(w->host->host, w->peer), ENET_PEER_STATE_CONNECTED);
    CHECK_EQ_INT(enetjs_peer_stats(w->host->host, w->peer), 0);
    CHECK_EQ_INT(enetjs_host_stats(w->host->host), 0);
    CHECK_EQ_INT(enetjs_peer_ping(w->host->host, w->peer), 0);
    CHECK_EQ_INT(enetjs_host_set(w->host->host, ENETJS_CONFIG_STALL_LIMIT, 1 + w->sent % 3, 0), 0);
  }
}

TEST(two_threads_and_the_pump_share_a_host) {
  struct consumer server, client;
  struct worker workers[2];
  enetjs_thread threads[2];
  double peer;
  pumped_open(&server, LOOPBACK);
  pumped_open(&client, -1);
  peer = connect_pair_of(&client, &server);
  for (int i = 0; i < 2; i++) {
    memset(&workers[i], 0, sizeof(workers[i]));
    workers[i].host = &client;
    workers[i].peer = peer;
    workers[i].count = 1500 / SLOW;
  }
  CHECK(enetjs_thread_start(&threads[0], send_and_service, &workers[0]));
  CHECK(enetjs_thread_start(&threads[1], send_and_meddle, &workers[1]));
  UNTIL(server.receives == workers[0].count + workers[1].count, serve_when_woken(&server, 1));
  enetjs_thread_join(threads[0]);
  enetjs_thread_join(threads[1]);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

static void send_until_closed(void *argument) {
  struct worker *w = argument;
  double result;
  do {
    result = send_text(w->host, w->peer, 1, "until it closes", 1 + w->sent % 1000);
    w->sent++;
    enetjs_host_service(w->host->host, 0);
    test_yield();
  } while (result >= 0);
}

/* The rings are not read: with the host open, what is in them is the sending thread's. */
TEST(hosts_close_while_traffic_runs) {
  for (int round = 0; round < 200 / SLOW; round++) {
    struct consumer server, client;
    struct worker worker = {0};
    enetjs_thread thread;
    pumped_open(&server, LOOPBACK);
    pumped_open(&client, -1);
    worker.peer = connect_pair_of(&client, &server);
    worker.host = &client;
    CHECK(enetjs_thread_start(&thread, send_until_closed, &worker));
    UNTIL(server.receives > (unsigned)round % 50, consumer_poll(&server));
    if (round % 2) consumer_close(&server);
    CHECK_EQ_INT(enetjs_host_close(client.host), 0);
    enetjs_thread_join(thread);
    consumer_free(&client);
    if (round % 2 == 0) consumer_close(&server);
  }
  check_nothing_left();
}

static void close_host(void *argument) {
  struct consumer *c = argument;
  if (enetjs_host_close(c->host) == 0) c->failures++;
}

TEST(only_one_of_many_closers_closes) {
  for (int round = 0; round < 50; round++) {
    struct consumer c, copies[4];
    enetjs_thread threads[4];
    unsigned closed = 0;
    pumped_open(&c, LOOPBACK);
    for (int i = 0; i < 4; i++) {
      copies[i] = c;
      CHECK(enetjs_thread_start(&threads[i], close_host, &copies[i]));
    }
    for (int i = 0; i < 4; i++) {
      enetjs_thread_join(threads[i]);
      closed += copies[i].failures;
    }
    CHECK_EQ_INT(closed, 1);
    consumer_free(&c);
  }
  check_nothing_left();
}

TEST(a_waiting_service_ends_when_its_host_is_closed) {
  struct consumer c;
  enetjs_thread thread;
  uint64_t end = test_deadline_ms(PATIENCE_MS);
  double result;
  pumped_open(&c, LOOPBACK);
  CHECK(enetjs_thread_start(&thread, close_host, &c));
  do {
    result = enetjs_host_service(c.host, 50);
  } while (result == 0 && !test_deadline_passed(end));
  CHECK_EQ_INT(result, ENETJS_ERR_CLOSED);
  enetjs_thread_join(thread);
  consumer_free(&c);
  check_nothing_left();
}

TEST(many_hosts_have_a_pump_each) {
  enum { HOSTS = 40 };
  static struct consumer clients[HOSTS];
  struct consumer server;
  double peers[HOSTS];
  pumped_open(&server, LOOPBACK);
  for (int i = 0; i < HOSTS; i++) {
    pumped_open(&clients[i], -1);
    peers[i] = enetjs_host_connect(clients[i].host, LOOPBACK, port_of(&server), 1, 0);
    CHECK_EQ_INT(enetjs_host_flush(clients[i].host), 0);
  }
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PUMPS), HOSTS + 1);
  UNTIL(server.connects == HOSTS, {
    serve_when_woken(&server, 1);
    for (int i = 0; i < HOSTS; i++) serve_when_woken(&clients[i], 0);
  });
  for (int i = 0; i < HOSTS; i++) {
    UNTIL(clients[i].connects == 1, serve_when_woken(&clients[i], 100));
    CHECK_EQ_INT(send_text(&clients[i], peers[i], 1, "hello", 0), 0);
    CHECK_EQ_INT(enetjs_host_flush(clients[i].host), 0);
  }
  UNTIL(server.receives == HOSTS, serve_when_woken(&server, 100));
  for (int i = 0; i < HOSTS; i++) consumer_close(&clients[i]);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Consumers that vanish ------------------------------------------------------------------- */

TEST(a_closed_wake_up_closes_the_host) {
  for (int round = 0; round < 20; round++) {
    struct consumer server, client;
    double peer;
    pumped_open(&server, LOOPBACK);
    client_open(&client);
    peer = connect_pair_of(&client, &server);
    for (int i = 0; i < 100; i++) CHECK(send_text(&client, peer, 1, "is anybody there?", 0) >= 0);
    for (int i = 0; i < 100; i++) CHECK(send_text(&server, server.peer, 1, "no", i + 1) >= 0);
    if (round % 2) CHECK(enetjs_host_service(client.host, 0) >= 0);
    enetjs_fd_close(server.wake);
    server.wake = ENETJS_FD_NONE;
    UNTIL(diagnostic(ENETJS_DIAGNOSTIC_PUMPS) == 0 && diagnostic(ENETJS_DIAGNOSTIC_HOSTS) == 1,
          consumer_poll(&client));
    CHECK_EQ_INT(enetjs_host_service(server.host, 0), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(enetjs_host_close(server.host), ENETJS_ERR_CLOSED);
    consumer_free(&server);
    consumer_close(&client);
  }
  check_nothing_left();
}

static void open_and_exit(void *host) { server_open(host); }

static void start_and_exit(void *host) { pumped_open(host, LOOPBACK); }

TEST(a_thread_that_exits_takes_its_hosts_along) {
  for (int pump = 0; pump < 2; pump++) {
    struct consumer hosts[2];
    enetjs_thread threads[2];
    for (int i = 0; i < 2; i++) {
      CHECK(enetjs_thread_start(&threads[i], pump ? start_and_exit : open_and_exit, &hosts[i]));
      enetjs_thread_join(threads[i]);
    }
    UNTIL(diagnostic(ENETJS_DIAGNOSTIC_HOSTS) + diagnostic(ENETJS_DIAGNOSTIC_PUMPS) == 0, test_yield());
    for (int i = 0; i < 2; i++) {
      CHECK_EQ_INT(enetjs_host_close(hosts[i].host), ENETJS_ERR_CLOSED);
      hosts[i].wake = ENETJS_FD_NONE; /* closed with the host */
      consumer_free(&hosts[i]);
    }
  }
  check_nothing_left();
}

/* ---- Trouble --------------------------------------------------------------------------------- */

TEST(a_lost_socket_wakes_the_consumer_once) {
  struct consumer c;
  struct enetjs_host *h;
  uint16_t port, to;
  ENetSocket s = socket_open(&port);
  enetjs_fd lost;
  uint32_t services;
  pumped_open(&c, LOOPBACK);
  h = host_of(&c);
  to = port_of(&c);
  enetjs_mutex_lock(&h->lock);
  lost = h->enet->socket;
  h->enet->socket = 1 << 20; /* no such descriptor */
  enetjs_mutex_unlock(&h->lock);
  socket_send(s, to, "x", 1); /* the pump looks up, and finds that the socket is gone */
  CHECK(wake_waits(&c, PATIENCE_MS));
  CHECK_EQ_INT(wakes_taken(&c), 1);
  CHECK_EQ_INT(enetjs_host_service(c.host, 0), ENETJS_ERR_SOCKET);
  while (completion_take(&c)) continue;
  if (c.failures == 0) CHECK_EQ_INT(enetjs_host_service(c.host, 0), ENETJS_ERR_SOCKET);
  while (completion_take(&c)) continue;
  CHECK_EQ_INT(c.failures, 1);
  services = services_of(&c);
  CHECK(!wake_waits(&c, 200));
  CHECK_EQ_INT(services_of(&c), services);
  enetjs_fd_close(lost);
  enet_socket_destroy(s);
  consumer_close(&c);
  check_nothing_left();
}

/* ---- The end of the process ------------------------------------------------------------------ */

/* In a process of its own: ends in the middle of everything. */
static int exit_with_pumps(void) {
  static struct consumer server, clients[8];
  static struct worker worker;
  enetjs_thread thread;
  pumped_open(&server, LOOPBACK);
  for (int i = 0; i < 8; i++) {
    pumped_open(&clients[i], -1);
    worker.peer = connect_pair_of(&clients[i], &server);
  }
  worker.host = &clients[7];
  if (!enetjs_thread_start(&thread, send_until_closed, &worker)) return EXIT_FAILURE;
  enetjs_thread_detach(thread);
  UNTIL(server.receives > 20, consumer_poll(&server));
  exit(42);
}

TEST(a_process_exits_with_pumps_running) {
#ifndef _WIN32
  for (int round = 0; round < 5; round++) {
    char *arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "exit", NULL};
    pid_t child;
    int status = 0;
    CHECK_EQ_INT(posix_spawn(&child, program, NULL, NULL, arguments, environ), 0);
    UNTIL(waitpid(child, &status, WNOHANG) == child, test_yield());
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), 42);
  }
#endif
}

int main(int argc, char **argv) {
  static const struct test_case cases[] = {
      TEST_CASE(a_pump_starts_once),
      TEST_CASE(one_byte_wakes_for_all_that_comes_before_the_service),
      TEST_CASE(an_echo_runs_on_wake_ups_alone),
      TEST_CASE(deadlines_are_kept_without_the_consumer),
      TEST_CASE(a_waiting_service_does_not_spin),
      TEST_CASE(a_stalled_consumer_loses_neither_peers_nor_messages),
      TEST_CASE(a_pump_that_has_slept_for_days_is_told_of_a_deadline),
      TEST_CASE(an_idle_host_does_nothing),
      TEST_CASE(silent_peers_cost_no_more_than_their_pings),
      TEST_CASE(two_threads_and_the_pump_share_a_host),
      TEST_CASE(hosts_close_while_traffic_runs),
      TEST_CASE(only_one_of_many_closers_closes),
      TEST_CASE(a_waiting_service_ends_when_its_host_is_closed),
      TEST_CASE(many_hosts_have_a_pump_each),
      TEST_CASE(a_closed_wake_up_closes_the_host),
      TEST_CASE(a_thread_that_exits_takes_its_hosts_along),
      TEST_CASE(a_lost_socket_wakes_the_consumer_once),
      TEST_CASE(a_process_exits_with_pumps_running),
  };
  program = argv[0];
  if (argc > 1) return exit_with_pumps();
  return test_run(cases, TEST_COUNT(cases));
}
