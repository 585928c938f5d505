/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "nat_config.h"
#include "option_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct nat_config config;
static struct option_error failure;

/* The block's inside. */
static int parse(const char *inside) {
  char text[2048];
  struct option *tree;
  int result;

  nat_config_free(&config);
  snprintf(text, sizeof(text), "<Plugin egress_nat>\n%s\n</Plugin>\n", inside);
  tree = option_tree_parse(text);
  assert_non_null(tree);
  failure.text[0] = '\0';
  result = nat_config_parse(tree, &config, &failure);
  option_tree_free(tree);
  return result;
}

static void assert_refused(const char *inside, const char *const *words) {
  assert_int_equal(-EINVAL, parse(inside));
  assert_null(strchr(failure.text, '\n'));
  for (size_t i = 0; words[i]; i++)
    if (!strstr(failure.text, words[i]))
      fail_msg("\"%s\" is not in: %s", words[i], failure.text);
}

#define REFUSED(inside, ...)                                                             \
  assert_refused(inside, (const char *const[]){__VA_ARGS__, NULL})

static void test_defaults(void **state) {
  (void)state;
  assert_int_equal(0, parse(""));
  assert_int_equal(0, nat_config_complete(&config));
  assert_int_equal(NAT_SOURCE_AUTO, config.source);
  assert_int_equal(10, config.top_destinations);
  assert_int_equal(1, config.gateway_count);
  assert_string_equal("nat", config.gateways[0].name);
  assert_int_equal(0, nat_gateway_limit(&config.gateways[0]));
  assert_true(config.gateways[0].time_wait == 0);
  assert_true(config.gateways[0].reset_timeout == 30 * NANOSECONDS_PER_SECOND);
  assert_true(config.gateways[0].traffic.bypass_defaults);
}

static void test_a_whole_block(void **state) {
  (void)state;
  assert_int_equal(0, parse("Source \"sockets\"\n"
                            "TopDestinations 3\n"
                            "DestinationMinPorts 5\n"
                            "<Destination \"github\">\n"
                            "  Network \"140.82.112.0/20\"\n"
                            "  Network \"192.30.252.0/22\" \"185.199.108.0/22\"\n"
                            "</Destination>\n"
                            "<Gateway \"first\">\n"
                            "  PortsPerVM 64\n"
                            "  TimeWait 12\n"
                            "  TransitoryTimeout 20\n"
                            "  EstablishedTimeout 600\n"
                            "  UDPTimeout 45\n"
                            "  EndpointIndependentMapping true\n"
                            "  SourceNetwork \"10.1.0.0/16\"\n"
                            "  Network \"203.0.113.0/24\"\n"
                            "  Bypass \"203.0.113.7\"\n"
                            "  BypassDefaults false\n"
                            "</Gateway>\n"
                            "<Gateway \"second\">\n"
                            "  DynamicPorts true\n"
                            "  endpointindependentmapping false\n"
                            "  PortsPerVM 32\n"
                            "  MaxPortsPerVM 4096\n"
                            "  ResetTimeout 0\n"
                            "</Gateway>\n"));
  assert_int_equal(NAT_SOURCE_SOCKETS, config.source);
  assert_int_equal(3, config.top_destinations);
  assert_int_equal(5, config.destination_min_ports);
  assert_int_equal(3, config.named[0].networks.count);
  assert_int_equal(2, config.gateway_count);
  assert_int_equal(64, nat_gateway_limit(&config.gateways[0]));
  assert_true(config.gateways[0].time_wait == 12 * NANOSECONDS_PER_SECOND);
  assert_true(config.gateways[0].reset_timeout == 20 * NANOSECONDS_PER_SECOND);
  assert_true(config.gateways[0].udp_timeout == 45 * NANOSECONDS_PER_SECOND);
  assert_true(config.gateways[1].udp_timeout == 30 * NANOSECONDS_PER_SECOND);
  assert_true(config.gateways[0].endpoint_independent);
  assert_false(config.gateways[1].endpoint_independent);
  assert_int_equal(NAT_TRUE, config.gateways[0].given.endpoint_independent);
  assert_int_equal(NAT_UNSAID, config.gateways[0].given.dynamic_ports);
  assert_int_equal(NAT_FALSE, config.gateways[1].given.endpoint_independent);
  assert_int_equal(NAT_TRUE, config.gateways[1].given.dynamic_ports);
  assert_int_equal(1, config.gateways[0].traffic.sources.count);
  assert_int_equal(1, config.gateways[0].traffic.bypass.count);
  assert_false(config.gateways[0].traffic.bypass_defaults);
  assert_int_equal(4096, nat_gateway_limit(&config.gateways[1]));
  assert_true(config.gateways[1].reset_timeout == 0);
}

static void test_errors_name_what_is_wrong(void **state) {
  (void)state;
  REFUSED("Source \"netflow\"", "<Plugin \"egress_nat\">", "Source", "\"netflow\"",
          "\"auto\" or \"sockets\" or \"conntrack\"");
  REFUSED("TopDestinations 1001", "TopDestinations", "1001", "0 to 1000");
  REFUSED("DestinationMinPorts 0", "DestinationMinPorts", "1 to 65536");
  REFUSED("Discover true", "Discover", "unknown option", "Gateway");
  REFUSED("<Gateway \"nat\">\nDiscovery true\n</Gateway>", "<Gateway \"nat\">",
          "Discovery", "PortsPerVM");
  REFUSED("<Gateway \"nat\">\nPortsPerVM 64.5\n</Gateway>", "PortsPerVM", "64.5",
          "1 to 65536");
  REFUSED("<Gateway \"nat\">\nTimeWait 0\n</Gateway>", "TimeWait", "from 1 to");
  REFUSED("<Gateway \"nat\">\nNetwork \"10.0.0.1/8\"\n</Gateway>", "Network",
          "10.0.0.1/8", "192.0.2.0/24");
  REFUSED("<Gateway \"nat\">\nBypass \"example.org\"\n</Gateway>", "Bypass",
          "example.org");
  REFUSED("<Gateway \"a:b\">\n</Gateway>", "a:b", "':'");
  REFUSED("<Gateway>\n</Gateway>", "Gateway", "expected one name");
  REFUSED("<Gateway \"nat\">\n</Gateway>\n<Gateway \"nat\">\n</Gateway>", "nat",
          "given before");
  REFUSED("<Destination \"x\">\n</Destination>", "Destination \"x\"", "no Network");
  REFUSED("<Destination \"x\">\nNetwork 5\n</Destination>", "Network", "5", "strings");
}

static void test_ports_must_agree(void **state) {
  (void)state;
  REFUSED("<Gateway \"nat\">\nPortsPerVM 64\nMaxPortsPerVM 128\n</Gateway>",
          "MaxPortsPerVM 128", "DynamicPorts");
  REFUSED("<Gateway \"nat\">\nDynamicPorts true\nMaxPortsPerVM 100\n</Gateway>",
          "powers of 2");
  REFUSED("<Gateway \"nat\">\nDynamicPorts true\nPortsPerVM 16\n</Gateway>", "32");
  REFUSED("<Gateway \"nat\">\nDynamicPorts true\nPortsPerVM 128\nMaxPortsPerVM 64\n"
          "</Gateway>",
          "64", "less than", "128");
  assert_int_equal(0, parse("<Gateway \"nat\">\nDynamicPorts true\n</Gateway>"));
  assert_int_equal(0, nat_gateway_limit(&config.gateways[0]));
}

static void test_mapping_excludes_dynamic_ports(void **state) {
  (void)state;
  REFUSED("<Gateway \"nat\">\nDynamicPorts true\nEndpointIndependentMapping true\n"
          "</Gateway>",
          "DynamicPorts", "EndpointIndependentMapping", "exclude");
}

static bool takes(const char *text) {
  struct net_address address;

  assert_int_equal(0, net_address_parse(text, &address));
  return nat_traffic_takes(&config.gateways[0].traffic, &address);
}

/* Odd, but clear: such blocks are taken at their word. */
static void test_odd_ones_mean_what_they_say(void **state) {
  (void)state;
  assert_int_equal(0, parse("<Gateway \"nat\">\nBypass \"0.0.0.0/0\" \"::/0\"\n</Gateway>"));
  assert_false(takes("203.0.113.9") || takes("64:ff9b::cb00:7109"));
  assert_int_equal(0, parse("<Gateway \"nat\">\nNetwork \"0.0.0.0/0\" \"0.0.0.0/1\"\n"
                            "Network \"128.0.0.0/1\"\n</Gateway>"));
  assert_int_equal(1, config.gateways[0].traffic.networks.count);
  assert_true(takes("203.0.113.9") && takes("10.0.0.1"));
  assert_false(takes("127.0.0.1") || takes("199.36.153.8"));
  assert_int_equal(0, parse("<Gateway \"nat\">\nNetwork \"203.0.113.0/24\"\n"
                            "Bypass \"203.0.113.0/25\" \"203.0.113.128/25\"\n</Gateway>"));
  assert_false(takes("203.0.113.9") || takes("203.0.113.200"));
  assert_int_equal(0, parse("<Gateway \"nat\">\nTimeWait 1\nResetTimeout 86400\n</Gateway>"));
  assert_true(config.gateways[0].reset_timeout == 86400 * NANOSECONDS_PER_SECOND);
  assert_int_equal(0, parse("<Gateway \"nat\">\nPortsPerVM 1\n</Gateway>"));
  assert_int_equal(1, nat_gateway_limit(&config.gateways[0]));
  assert_int_equal(0, parse("<Gateway \"nat\">\nPortsPerVM 65536\nDynamicPorts false\n"
                            "EndpointIndependentMapping true\n</Gateway>"));
  assert_int_equal(65536, nat_gateway_limit(&config.gateways[0]));
}

/* collectd hands over each <Plugin egress_nat> block by itself. */
static void test_a_second_block_adds_to_the_first(void **state) {
  struct option *tree;

  (void)state;
  assert_int_equal(0, parse("TopDestinations 3\n<Gateway \"a\">\n</Gateway>"));
  tree = option_tree_parse("<Plugin egress_nat>\n<Gateway \"b\">\n</Gateway>\n</Plugin>\n");
  assert_non_null(tree);
  assert_int_equal(0, nat_config_parse(tree, &config, &failure));
  assert_int_equal(2, config.gateway_count);
  assert_int_equal(3, config.top_destinations);
  assert_int_equal(-EINVAL, nat_config_parse(tree, &config, &failure));
  assert_non_null(strstr(failure.text, "given before"));
  option_tree_free(tree);
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");

  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(0, fclose(file));
}

static bool bypasses(const char *text) {
  struct net_address address;

  assert_int_equal(0, net_address_parse(text, &address));
  return nat_networks_contain(&config.gateways[0].traffic.bypass, &address);
}

/* What stands in the block itself stays beside what the files hold by now. */
static void expect_reread(const char *cloud) {
  static const uint8_t own[] = {192, 0, 2, 70}, rented[] = {192, 0, 2, 4};
  const struct net_address given = net_address_from_ipv4(own);
  const struct net_address other = net_address_from_ipv4(rented);
  struct nat_gateway_config *gateway = &config.gateways[0];
  struct nat_networks bypass = {0};
  struct nat_bypass_error error;

  assert_false(nat_bypass_changed(&gateway->bypass_files));
  write_file(cloud, "{\"prefixes\": [{\"ipv4Prefix\": \"192.0.2.0/25\"}]}");
  assert_true(nat_bypass_changed(&gateway->bypass_files));
  assert_int_equal(0, nat_config_reread_bypass(gateway, &bypass, &error));
  assert_true(nat_networks_contain(&bypass, &given));
  assert_false(nat_networks_contain(&bypass, &other));
  nat_networks_free(&bypass);
  write_file(cloud, "{}");
  assert_int_equal(-EINVAL, nat_config_reread_bypass(gateway, &bypass, &error));
  assert_non_null(strstr(error.text, cloud));
  nat_networks_free(&bypass);
}

static void test_published_ranges_bypass(void **state) {
  char folder[] = "/tmp/egress-test-XXXXXX", all[64], cloud[64], text[400];

  (void)state;
  assert_non_null(mkdtemp(folder));
  snprintf(all, sizeof(all), "%s/goog.json", folder);
  snprintf(cloud, sizeof(cloud), "%s/cloud.json", folder);
  write_file(all, "{\"syncToken\": \"1\", \"prefixes\": [{\"ipv4Prefix\": "
                  "\"192.0.2.0/24\"}, {\"ipv6Prefix\": \"2001:db8::/32\"}]}");
  write_file(cloud, "{\"prefixes\": [{\"ipv4Prefix\": \"192.0.2.64/26\", "
                    "\"service\": \"Google Cloud\", \"scope\": \"x\"}]}");
  snprintf(text, sizeof(text),
           "<Gateway \"nat\">\nBypass \"192.0.2.70\"\nBypassFile \"%s\" \"%s\"\n"
           "</Gateway>", all, cloud);
  assert_int_equal(0, parse(text));
  assert_true(bypasses("192.0.2.63") && bypasses("192.0.2.128"));
  assert_true(bypasses("192.0.2.70") && bypasses("2001:db8:1::"));
  assert_false(bypasses("192.0.2.64") || bypasses("192.0.2.127"));
  expect_reread(cloud);
  write_file(cloud, "{\"prefixes\": [{\"ipv4Prefix\": \"192.0.2.1/24\"}]}");
  REFUSED(text, "BypassFile", cloud, "no network");
  write_file(cloud, "<html>");
  REFUSED(text, cloud, "no JSON");
  write_file(cloud, "{\"prefix\": [], \"x\": {\"prefixes\": [{\"ipv4Prefix\": 1}]}}");
  REFUSED(text, cloud, "holds no \"prefixes\"");
  remove(cloud);
  REFUSED(text, cloud, "cannot be read");
  remove(all);
  rmdir(folder);
}

static void test_names_fit_into_an_instance(void **state) {
  char text[400], name[130];

  (void)state;
  memset(name, 'x', sizeof(name));
  name[123] = '\0';
  snprintf(text, sizeof(text), "<Gateway \"%s\">\n</Gateway>", name);
  assert_int_equal(0, parse(text));
  name[123] = 'x';
  name[124] = '\0';
  snprintf(text, sizeof(text), "<Gateway \"%s\">\n</Gateway>", name);
  REFUSED(text, "124", "123");
}

static void test_blocks_are_bounded(void **state) {
  char text[2000] = "";

  (void)state;
  for (size_t i = 0, used = 0; i <= NAT_GATEWAYS_MAX; i++, used = strlen(text))
    snprintf(text + used, sizeof(text) - used, "<Gateway \"g%zu\">\n</Gateway>\n", i);
  REFUSED(text, "g16", "more than 16");
}

/* --- Discovery --------------------------------------------------------------------- */

static void test_where_to_ask(void **state) {
  const struct gateway_source *source = &config.gateways[0].source;

  (void)state;
  assert_int_equal(0, parse("<Gateway \"nat\">\nDiscover true\n</Gateway>"));
  assert_true(source->discover);
  assert_false(source->cloud_monitoring);
  assert_true(source->interval == 300 * NANOSECONDS_PER_SECOND);
  assert_null(source->metadata_url);
  assert_int_equal(
      0, parse("<Gateway \"nat\">\nCloudMonitoring true\nDiscoverInterval 60\n"
               "Project \"example.com:prod-1\"\nRegion \"europe-west3\"\n"
               "Router \"r-1\"\nNatName \"n-1\"\nCACert \"/etc/ssl/own.pem\"\n"
               "MetadataURL \"http://127.0.0.1:8080/\"\n"
               "ComputeURL \"https://compute-psc.example.com\"\n"
               "MonitoringURL \"http://[::1]:81\"\n</Gateway>"));
  assert_true(source->cloud_monitoring);
  assert_false(source->discover);
  assert_true(source->interval == 60 * NANOSECONDS_PER_SECOND);
  assert_string_equal("example.com:prod-1", source->project);
  assert_string_equal("europe-west3", source->region);
  assert_string_equal("r-1", source->router);
  assert_string_equal("n-1", source->nat);
  assert_string_equal("/etc/ssl/own.pem", source->ca_cert);
  assert_int_equal(0, source->rule);
  assert_string_equal("http://127.0.0.1:8080/", source->metadata_url);
  assert_string_equal("https://compute-psc.example.com", source->compute_url);
  assert_string_equal("http://[::1]:81", source->monitoring_url);
  assert_int_equal(0, parse("<Gateway \"nat\">\nDiscover true\nNatRule 100\n</Gateway>"));
  assert_int_equal(100, source->rule);
  assert_null(source->ca_cert);
}

#define IN_GATEWAY(option) "<Gateway \"nat\">\nDiscover true\n" option "\n</Gateway>"

static void test_where_not_to_ask(void **state) {
  (void)state;
  REFUSED(IN_GATEWAY("ComputeURL \"http://compute.googleapis.com\""), "ComputeURL",
          "https://HOST", "169.254.169.254");
  REFUSED(IN_GATEWAY("MetadataURL \"http://10.0.0.1\""), "MetadataURL", "link-local");
  REFUSED(IN_GATEWAY("MonitoringURL \"ftp://127.0.0.1\""), "MonitoringURL");
  REFUSED(IN_GATEWAY("ComputeURL \"https://user:secret@example.com\""), "ComputeURL",
          "without a user");
  assert_null(strstr(failure.text, "secret"));
  REFUSED(IN_GATEWAY("NatRule 100\nCloudMonitoring true"), "NatRule", "CloudMonitoring",
          "whole NAT");
  REFUSED("<Gateway \"nat\">\nCACert \"/x\"\n</Gateway>", "CACert", "Discover true");
  REFUSED(IN_GATEWAY("Project \"../x\""), "Project", "id or number");
  REFUSED(IN_GATEWAY("Router \"Router_1\""), "Router", "resource's name");
  REFUSED(IN_GATEWAY("NatName \"1x\""), "NatName", "a letter");
  REFUSED(IN_GATEWAY("Region 5"), "Region", "one string");
  REFUSED(IN_GATEWAY("NatRule 0"), "NatRule", "1 to 65000");
  REFUSED(IN_GATEWAY("DiscoverInterval 0"), "DiscoverInterval", "1 to 86400");
  REFUSED("<Gateway \"nat\">\nRouter \"r\"\n</Gateway>", "Router", "Discover true");
}

static int free_config(void **state) {
  (void)state;
  nat_config_free(&config);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_defaults),
      cmocka_unit_test(test_a_whole_block),
      cmocka_unit_test(test_errors_name_what_is_wrong),
      cmocka_unit_test(test_ports_must_agree),
      cmocka_unit_test(test_mapping_excludes_dynamic_ports),
      cmocka_unit_test(test_odd_ones_mean_what_they_say),
      cmocka_unit_test(test_a_second_block_adds_to_the_first),
      cmocka_unit_test(test_published_ranges_bypass),
      cmocka_unit_test(test_names_fit_into_an_instance),
      cmocka_unit_test(test_blocks_are_bounded),
      cmocka_unit_test(test_where_to_ask),
      cmocka_unit_test(test_where_not_to_ask),
  };

  return cmocka_run_group_tests_name("nat_config", tests, NULL, free_config);
}
