/* SPDX-License-Identifier: MIT */
#include "gcp_api.h"

#include "gcp_url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The metadata server is on this very host. */
#define METADATA_MS 3000
#define API_MS 15000
#define LEAF_MAX 1024u
#define TOKEN_BODY_MAX 16384u
/* 500 machines or 100 routers a page stay well below. */
#define API_BODY_MAX (8u * 1024 * 1024)
#define PAGES_MAX 64

/* --- A request ----------------------------------------------------------------------- */

static int error_of(const struct gcp_http_answer *answer) {
  if (answer->outcome == GCP_HTTP_STOPPED)
    return -ECANCELED;
  if (answer->outcome != GCP_HTTP_ANSWERED)
    return -EIO;
  switch (answer->status) {
  case 200:
    return 0;
  case 400:
    return -EINVAL;
  case 404:
    return -ENOENT;
  default:
    return -EIO;
  }
}

static int take_json(void *data, const void *bytes, size_t size) {
  return json_walk_feed(data, bytes, size);
}

/* One answer into a walk, which is freed. */
static int fetch(struct gcp_api *api, const struct gcp_call *call,
                 struct gcp_http_request *request, struct json_walk *walk,
                 struct gcp_trouble *trouble) {
  struct gcp_http_answer answer;
  int status;

  request->ca_cert = api->ca_cert;
  request->milliseconds = call->milliseconds;
  request->body_max = call->body_max;
  request->take = take_json;
  request->data = walk;
  gcp_http_get(api->http, request, &answer);
  status = error_of(&answer);
  if (status == 0 && json_walk_finish(walk) < 0) {
    answer.outcome = GCP_HTTP_MALFORMED;
    status = -EIO;
  }
  json_walk_free(walk);
  if (answer.status == 401)
    gcp_token_forget(&api->token);
  /* A server that echoes what it was sent must not bring the token into the log. */
  if (gcp_token_is_in(&api->token, answer.error.message))
    answer.error.message[0] = '\0';
  if (status < 0)
    gcp_trouble_describe(call, &answer, trouble);
  return status;
}

static int fail_no_memory(struct gcp_trouble *trouble) {
  gcp_trouble_set(trouble, "out of memory");
  return -EIO;
}

/* --- The metadata server --------------------------------------------------------------- */

static struct gcp_call metadata_call(const struct gcp_api *api, size_t body_max) {
  return (struct gcp_call){.server = "the metadata server",
                           .url = api->metadata_url,
                           .milliseconds = METADATA_MS,
                           .body_max = body_max};
}

/* What names, numbers and addresses are made of. */
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789-.:"

struct leaf {
  char text[LEAF_MAX + 1];
  size_t length;
};

/* One line of visible characters, or nothing. */
static int take_leaf(void *data, const void *bytes, size_t size) {
  struct leaf *leaf = data;

  if (size > LEAF_MAX - leaf->length)
    return -EMSGSIZE;
  memcpy(leaf->text + leaf->length, bytes, size);
  leaf->length += size;
  return 0;
}

static bool is_line(struct leaf *leaf) {
  while (leaf->length > 0 && strchr("\r\n", leaf->text[leaf->length - 1]))
    leaf->length--;
  leaf->text[leaf->length] = '\0';
  for (size_t i = 0; i < leaf->length; i++)
    if (leaf->text[i] <= ' ' || (unsigned char)leaf->text[i] >= 0x7f)
      return false;
  return true;
}

static int read_leaf(struct gcp_api *api, const char *path, struct leaf *leaf,
                     struct gcp_trouble *trouble) {
  struct gcp_call call = metadata_call(api, LEAF_MAX);
  struct gcp_http_request request = {.ca_cert = api->ca_cert,
                                     .metadata = true,
                                     .milliseconds = call.milliseconds,
                                     .body_max = call.body_max,
                                     .take = take_leaf,
                                     .data = leaf};
  struct gcp_http_answer answer;
  struct gcp_url url;
  int status;

  *leaf = (struct leaf){0};
  gcp_url_begin(&url, api->metadata_url);
  gcp_url_add(&url, "/computeMetadata/v1/");
  gcp_url_add(&url, path);
  request.url = url.text;
  gcp_http_get(api->http, &request, &answer);
  status = error_of(&answer);
  if (status == 0 && !is_line(leaf)) {
    answer.outcome = GCP_HTTP_MALFORMED;
    status = -EIO;
  }
  if (status < 0)
    gcp_trouble_describe(&call, &answer, trouble);
  return status;
}

static int set_text(char *to, size_t size, const char *text) {
  size_t length = strlen(text);

  if (length == 0 || length >= size || text[strspn(text, NAME_BYTES)] != '\0')
    return -EINVAL;
  memcpy(to, text, length + 1);
  return 0;
}

static int set_project(struct gcp_vm *vm, const char *text) {
  return set_text(vm->project, sizeof(vm->project), text);
}

static int set_id(struct gcp_vm *vm, const char *text) {
  return set_text(vm->id, sizeof(vm->id), text);
}

static int set_name(struct gcp_vm *vm, const char *text) {
  return set_text(vm->name, sizeof(vm->name), text);
}

static int set_address(struct gcp_vm *vm, const char *text) {
  return set_text(vm->address, sizeof(vm->address), text);
}

/* Most have none: then it is empty, or not there. */
static int set_external(struct gcp_vm *vm, const char *text) {
  return *text ? set_text(vm->external, sizeof(vm->external), text) : 0;
}

int gcp_api_read_vm(struct gcp_api *api, struct gcp_vm *vm, struct gcp_trouble *trouble) {
  static const struct {
    const char *path;
    int (*set)(struct gcp_vm *vm, const char *text);
    bool may_lack;
  } leaves[] = {
      {"project/project-id", set_project, false},
      {"instance/id", set_id, false},
      {"instance/name", set_name, false},
      {"instance/zone", gcp_vm_set_zone, false},
      {"instance/network-interfaces/0/ip", set_address, false},
      {"instance/network-interfaces/0/network", gcp_vm_set_network, false},
      {"instance/network-interfaces/0/access-configs/0/external-ip", set_external, true},
  };
  struct leaf leaf;

  *vm = (struct gcp_vm){0};
  for (size_t i = 0; i < sizeof(leaves) / sizeof(*leaves); i++) {
    int status = read_leaf(api, leaves[i].path, &leaf, trouble);

    if (status == -ENOENT && leaves[i].may_lack) {
      trouble->text[0] = '\0';
      continue;
    }
    if (status == 0 && leaves[i].set(vm, leaf.text) < 0) {
      gcp_trouble_set(trouble, "the metadata server answers \"%.64s\" for %s: that is none",
                      leaf.text, leaves[i].path);
      status = -EIO;
    }
    if (status < 0)
      return status;
  }
  return 0;
}

int gcp_api_get_token(struct gcp_api *api, struct gcp_trouble *trouble) {
  struct gcp_call call = metadata_call(api, TOKEN_BODY_MAX);
  struct gcp_http_request request = {.metadata = true};
  struct gcp_token_answer answer;
  struct json_walk *walk;
  struct gcp_url url;
  nanoseconds now = clock_now(CLOCK_MONOTONIC);
  int status;

  if (gcp_token_get(&api->token, now))
    return 0;
  gcp_token_answer_init(&answer);
  if (gcp_token_walk(&answer, &walk) < 0)
    return fail_no_memory(trouble);
  gcp_url_begin(&url, api->metadata_url);
  gcp_url_add(&url, "/computeMetadata/v1/instance/service-accounts/default/token");
  request.url = url.text;
  status = fetch(api, &call, &request, walk, trouble);
  if (status == -ENOENT)
    gcp_trouble_set(trouble,
                    "this machine has no service account: it needs one (gcloud compute "
                    "instances set-service-account, with the machine stopped)");
  if (status == 0 && gcp_token_set(&api->token, &answer, now) < 0) {
    gcp_trouble_set(trouble, "the metadata server's answer holds no access token");
    status = -EIO;
  }
  explicit_bzero(&answer, sizeof(answer));
  return status;
}

/* --- The APIs ----------------------------------------------------------------------------- */

/* A list, page by page. `begin` makes the walk of each; `next` is where the walk
 * leaves the next page's token. */
struct pages {
  int (*begin)(void *into, struct json_walk **walk);
  void *into;
  char *next;
  const char *parameter; /* "pageToken=", after the URL's own */
};

/* A token that has been revoked before its time is got anew, once. */
static int fetch_page(struct gcp_api *api, const struct gcp_call *call, const char *url,
                      const struct pages *pages, struct gcp_trouble *trouble) {
  int status = -EIO;

  for (int attempt = 0; attempt < 2; attempt++) {
    struct gcp_http_request request = {.url = url};
    struct json_walk *walk;

    status = gcp_api_get_token(api, trouble);
    if (status < 0)
      return status;
    request.token = api->token.text;
    if (pages->begin(pages->into, &walk) < 0)
      return fail_no_memory(trouble);
    status = fetch(api, call, &request, walk, trouble);
    if (status == 0)
      trouble->text[0] = '\0';
    if (status == 0 || api->token.text[0])
      return status;
  }
  return status;
}

static int fetch_pages(struct gcp_api *api, const struct gcp_call *call,
                       const struct gcp_url *base, const struct pages *pages,
                       struct gcp_trouble *trouble) {
  struct gcp_url url = *base;

  for (int page = 0; page < PAGES_MAX; page++) {
    int status = fetch_page(api, call, url.text, pages, trouble);

    if (status < 0 || pages->next[0] == '\0')
      return status;
    url = *base;
    gcp_url_add(&url, pages->parameter);
    gcp_url_add_escaped(&url, pages->next);
  }
  gcp_trouble_set(trouble, "%s answers with more than %d pages", call->server, PAGES_MAX);
  return -EIO;
}

static struct gcp_call compute_call(const struct gcp_api *api, const char *project,
                                    const char *place, const char *permission) {
  return (struct gcp_call){.server = "the Compute API",
                           .url = api->compute_url,
                           .project = project,
                           .place = place,
                           .permission = permission,
                           .role = "roles/compute.networkViewer",
                           .scope = "compute.readonly",
                           .milliseconds = API_MS,
                           .body_max = API_BODY_MAX};
}

static void begin_routers_url(struct gcp_url *url, const struct gcp_api *api,
                              const char *project, const char *region) {
  gcp_url_begin(url, api->compute_url);
  gcp_url_add(url, "/compute/v1/projects/");
  gcp_url_add_escaped(url, project);
  gcp_url_add(url, "/regions/");
  gcp_url_add_escaped(url, region);
  gcp_url_add(url, "/routers");
}

static void describe_place(char *text, size_t size, const char *region,
                           const char *router) {
  if (router)
    snprintf(text, size, "router \"%s\" in region \"%s\"", router, region);
  else
    snprintf(text, size, "region \"%s\"", region);
}

static int begin_list(void *into, struct json_walk **walk) {
  return gcp_router_list_walk(into, walk);
}

static int begin_router(void *into, struct json_walk **walk) {
  return gcp_router_walk(into, walk);
}

static int begin_mapping(void *into, struct json_walk **walk) {
  return gcp_mapping_walk(into, walk);
}

static int begin_series(void *into, struct json_walk **walk) {
  return gcp_series_walk(into, walk);
}

int gcp_api_read_nats(struct gcp_api *api, const char *project, const char *region,
                      const char *router, struct gcp_nats *nats,
                      struct gcp_trouble *trouble) {
  char place[2 * GCP_NAME_SIZE + 32];
  struct pages pages = {.begin = router ? begin_router : begin_list,
                        .into = nats,
                        .next = nats->page_token,
                        .parameter = "&pageToken="};
  struct gcp_call call = compute_call(api, project, place,
                                      router ? "compute.routers.get"
                                             : "compute.routers.list");
  struct gcp_url url;

  describe_place(place, sizeof(place), region, router);
  begin_routers_url(&url, api, project, region);
  if (router) {
    gcp_url_add(&url, "/");
    gcp_url_add_escaped(&url, router);
  } else {
    gcp_url_add(&url, "?maxResults=100");
  }
  gcp_nats_init(nats);
  return fetch_pages(api, &call, &url, &pages, trouble);
}

int gcp_api_read_mapping(struct gcp_api *api, const struct gcp_nat_place *place,
                         const char *instance, struct gcp_mapping *mapping,
                         struct gcp_trouble *trouble) {
  char where[2 * GCP_NAME_SIZE + 32];
  struct pages pages = {.begin = begin_mapping,
                        .into = mapping,
                        .next = mapping->page_token,
                        .parameter = "&pageToken="};
  struct gcp_call call = compute_call(api, place->project, where, "compute.routers.get");
  struct gcp_url url;

  describe_place(where, sizeof(where), place->region, place->router);
  begin_routers_url(&url, api, place->project, place->region);
  gcp_url_add(&url, "/");
  gcp_url_add_escaped(&url, place->router);
  gcp_url_add(&url, "/getNatMappingInfo?maxResults=500&natName=");
  gcp_url_add_escaped(&url, place->nat);
  if (instance) {
    gcp_url_add(&url, "&filter=");
    gcp_url_add_escaped(&url, "instanceName = ");
    gcp_url_add_escaped(&url, instance);
  }
  return fetch_pages(api, &call, &url, &pages, trouble);
}

static void add_time(struct gcp_url *url, int64_t seconds) {
  time_t time = (time_t)seconds;
  char text[32];
  struct tm parts;

  gmtime_r(&time, &parts);
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  gcp_url_add_escaped(url, text);
}

int gcp_api_read_series(struct gcp_api *api, const struct gcp_vm *vm, const char *metric,
                        int64_t from, int64_t to, struct gcp_series *series,
                        struct gcp_trouble *trouble) {
  struct pages pages = {.begin = begin_series,
                        .into = series,
                        .next = series->page_token,
                        .parameter = "&pageToken="};
  const struct gcp_call call = {.server = "the Monitoring API",
                                .url = api->monitoring_url,
                                .project = vm->project,
                                .permission = "monitoring.timeSeries.list",
                                .role = "roles/monitoring.viewer",
                                .scope = "monitoring.read",
                                .milliseconds = API_MS,
                                .body_max = API_BODY_MAX};
  char filter[256];
  struct gcp_url url;

  snprintf(filter, sizeof(filter),
           "metric.type = \"%s\" AND resource.type = \"gce_instance\" AND "
           "resource.labels.instance_id = \"%s\"",
           metric, vm->id);
  gcp_url_begin(&url, api->monitoring_url);
  gcp_url_add(&url, "/v3/projects/");
  gcp_url_add_escaped(&url, vm->project);
  gcp_url_add(&url, "/timeSeries?filter=");
  gcp_url_add_escaped(&url, filter);
  gcp_url_add(&url, "&interval.startTime=");
  add_time(&url, from);
  gcp_url_add(&url, "&interval.endTime=");
  add_time(&url, to);
  return fetch_pages(api, &call, &url, &pages, trouble);
}
