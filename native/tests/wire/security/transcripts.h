#define TRANSCRIPT_LINES 20

struct transcript {
  const char *name;
  int pattern, aes;
  const char *lines[TRANSCRIPT_LINES];
};

static const struct transcript transcripts[] = {{"NK", 0, 0, {0}}};
