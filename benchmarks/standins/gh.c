/* `gh` stand-in: pr create (prints a URL), pr view, pr list, pr edit, api, auth status, repo view, --version.
 * `api`: POST repos/O/R/pulls opens (JSON on standard input or fields), GET .../pulls lists none, GET .../pulls/N reads;
 * with --include the status line and a header come first. No request is ever refused.
 * gh_ms in standins.conf: what each call that would reach the network takes. */
#include "common.h"
#include <sys/file.h>

static char org[128] = "rig", repo[256] = "repo";

static int from_url(const char *u) { /* git@github.com:org/repo.git, https://github.com/org/repo */
  const char *p = strstr(u, "github.com");
  if (!p) return 0;
  p += 10;
  if (*p == ':' || *p == '/') p++;
  if (sscanf(p, "%127[^/]/%255[^ \n\t]", org, repo) != 2) return 0;
  size_t n = strlen(repo);
  if (n > 4 && !strcmp(repo + n - 4, ".git")) repo[n - 4] = 0;
  return 1;
}

static void which_repo(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *v = NULL;
    if ((!strcmp(argv[i], "--repo") || !strcmp(argv[i], "-R")) && i + 1 < argc) v = argv[i + 1];
    if (!strncmp(argv[i], "--repo=", 7)) v = argv[i] + 7;
    if (!strncmp(argv[i], "repos/", 6)) v = argv[i] + 6;
    if (!strncmp(argv[i], "/repos/", 7)) v = argv[i] + 7;
    if (v && sscanf(v, "%127[^/]/%255[^/]", org, repo) == 2) return;
  }
  char path[4200], line[4096];
  snprintf(path, sizeof path, ".git/config");
  FILE *f = fopen(".git", "r");
  if (f && fgets(line, sizeof line, f) && !strncmp(line, "gitdir: ", 8)) {
    line[strcspn(line, "\n")] = 0;
    char *w = strstr(line, "/worktrees/");
    if (w) *w = 0;
    snprintf(path, sizeof path, "%s/config", line + 8);
  }
  if (f) fclose(f);
  if (!(f = fopen(path, "r"))) return;
  while (fgets(line, sizeof line, f))
    if (strstr(line, "url") && from_url(line)) break;
  fclose(f);
}

static long next_number(void) {
  int fd = open(RIG_DIR "/pr_counter", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return 1;
  flock(fd, LOCK_EX);
  char b[32] = "";
  ssize_t r = read(fd, b, sizeof b - 1);
  long n = (r > 0 ? strtol(b, NULL, 10) : 0) + 1;
  int l = snprintf(b, sizeof b, "%ld\n", n);
  if (pwrite(fd, b, l, 0) < 0) n = 1;
  close(fd);
  return n;
}

/* The commit of the branch that the request's JSON names: it was just pushed, so the origin has it as a file. */
static void head_sha(const char *request, char sha[64]) {
  char branch[512] = "", path[2048];
  const char *p = strstr(request, "\"head\"");
  if (!p || sscanf(p + 6, "%*[: ]\"%511[^\"]", branch) != 1 || strstr(branch, "..")) return;
  const char *name = strchr(branch, ':') ? strchr(branch, ':') + 1 : branch;
  snprintf(path, sizeof path, RIG_DIR "/origins/%s/%s.git/refs/heads/%s", org, repo, name);
  FILE *f = fopen(path, "r");
  if (!f) return;
  if (fscanf(f, "%63[0-9a-f]", sha) != 1) sha[0] = 0;
  fclose(f);
}

static void api(int argc, char **argv, const char *jq, const char *method, int fields) {
  static char request[1 << 20];
  const char *pulls = NULL;
  char sha[64] = "";
  int include = 0;
  long n = 1;
  size_t have = 0;
  ssize_t r;
  for (int i = 2; i < argc; i++) {
    if (strstr(argv[i], "/pulls")) pulls = strstr(argv[i], "/pulls");
    if (!strcmp(argv[i], "-i") || !strcmp(argv[i], "--include")) include = 1;
    if (!strcmp(argv[i], "--input") && i + 1 < argc && !strcmp(argv[i + 1], "-"))
      while (have < sizeof request - 1 && (r = read(0, request + have, sizeof request - 1 - have)) > 0) have += r;
  }
  int post = method ? !strcmp(method, "POST") : fields;
  if (pulls && post) {
    n = next_number();
    event("{\"ev\":\"pr\",\"n\":%ld,\"t\":%lld}", n, now_ns());
    head_sha(request, sha);
  } else if (pulls && pulls[6] == '/') {
    n = strtol(pulls + 7, NULL, 10);
  }
  if (include) printf("HTTP/2.0 %s\nContent-Type: application/json; charset=utf-8\r\n\r\n", post ? "201 Created" : "200 OK");
  if (pulls && !post && pulls[6] != '/') {
    if (!jq || strncmp(jq, ".[", 2)) puts("[]");
  } else if (!jq || jq[0] == '{') {
    printf("{\"number\":%ld,\"html_url\":\"https://github.com/%s/%s/pull/%ld\",\"state\":\"open\",\"draft\":false,\"login\":\"rig\",", n, org, repo, n);
    if (sha[0]) printf(jq ? "\"head\":\"%s\"," : "\"head\":{\"sha\":\"%s\"},", sha);
    puts("\"commits\":1,\"changed_files\":1,\"additions\":1,\"deletions\":0}");
  } else if (strstr(jq, "html_url")) {
    printf("https://github.com/%s/%s/pull/%ld", org, repo, n);
    if (strstr(jq, "number")) printf(" %ld", n);
    puts("");
  } else {
    printf("%ld\n", strstr(jq, "changed_files") || strstr(jq, "length") ? 1 : n);
  }
}

int main(int argc, char **argv) {
  const char *a = argc > 1 ? argv[1] : "", *b = argc > 2 ? argv[2] : "", *jq = NULL, *method = NULL;
  int fields = 0;
  for (int i = 1; i < argc; i++) {
    if ((!strcmp(argv[i], "--jq") || !strcmp(argv[i], "-q")) && i + 1 < argc) jq = argv[i + 1];
    if ((!strcmp(argv[i], "-X") || !strcmp(argv[i], "--method")) && i + 1 < argc) method = argv[i + 1];
    if (!strcmp(argv[i], "-f") || !strcmp(argv[i], "-F") || !strcmp(argv[i], "--field") || !strcmp(argv[i], "--raw-field") || !strcmp(argv[i], "--input")) fields = 1;
  }
  if (!strcmp(a, "--version") || !strcmp(a, "version")) return puts("gh version 2.60.0 (rig stand-in)"), 0;
  if (!strcmp(a, "auth")) {
    if (!strcmp(b, "token")) puts("rig-no-token");
    else puts("github.com\n  - Logged in to github.com account rig (stand-in)\n  - Active account: true");
    return 0;
  }
  sleep_ns(conf("gh_ms", 0) * 1000000LL);
  which_repo(argc, argv);
  long n = argc > 3 ? strtol(strrchr(argv[3], '/') ? strrchr(argv[3], '/') + 1 : argv[3], NULL, 10) : 0;
  if (!strcmp(a, "pr") && !strcmp(b, "create")) {
    n = next_number();
    event("{\"ev\":\"pr\",\"n\":%ld,\"t\":%lld}", n, now_ns());
    printf("https://github.com/%s/%s/pull/%ld\n", org, repo, n);
  } else if (!strcmp(a, "pr") && !strcmp(b, "view")) {
    if (jq && strstr(jq, "length")) puts("1");
    else if (jq && strstr(jq, "changedFiles")) puts("1");
    else if (jq && strstr(jq, "url")) printf("https://github.com/%s/%s/pull/%ld\n", org, repo, n);
    else if (jq && strstr(jq, "number")) printf("%ld\n", n);
    else printf("{\"number\":%ld,\"url\":\"https://github.com/%s/%s/pull/%ld\",\"state\":\"OPEN\",\"changedFiles\":1,\"additions\":1,\"deletions\":0,\"files\":[{\"path\":\"README.md\",\"additions\":1,\"deletions\":0}]}\n", n, org, repo, n);
  } else if (!strcmp(a, "pr") && !strcmp(b, "list")) {
    if (!jq) puts("[]");
  } else if (!strcmp(a, "repo") && !strcmp(b, "view")) {
    printf("{\"name\":\"%s\",\"owner\":{\"login\":\"%s\"},\"defaultBranchRef\":{\"name\":\"main\"}}\n", repo, org);
  } else if (!strcmp(a, "api")) {
    api(argc, argv, jq, method, fields);
  } else if (!strcmp(a, "pr")) {
    /* edit, comment, merge, ready: accepted, say nothing */
  } else {
    fprintf(stderr, "gh stand-in: not supported: %s %s\n", a, b);
    return 1;
  }
  return 0;
}
