// SPDX-License-Identifier: Apache-2.0
// bench [--list] [TEXT...]: runs the benchmarks whose name contains one of the texts, or all.
#include "tests/bench/bench.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace qs::bench {

namespace {

struct Entry {
    std::string name;
    Benchmark run;
};

std::vector<Entry>& entries() {
    static std::vector<Entry> list;
    return list;
}

bool wanted(const std::string& name, int argc, char** argv) {
    if (argc < 2) return true;
    return std::any_of(argv + 1, argv + argc,
                       [&](const char* text) { return name.find(text) != std::string::npos; });
}

} // namespace

bool registerBenchmark(const char* name, Benchmark run) {
    entries().push_back({name, std::move(run)});
    return true;
}

void Report::line(const std::string& what, double value, const std::string& unit) const {
    std::printf("  %-44s %10.4g %s\n", what.c_str(), value, unit.c_str());
}

void Report::line(const std::string& what, double value, const std::string& unit, const std::string& beside,
                  double other) const {
    std::printf("  %-44s %10.4g %-8s %6.2f x %s (%.4g %s)\n", what.c_str(), value, unit.c_str(),
                value / other, beside.c_str(), other, unit.c_str());
}

void Report::note(const std::string& text) const {
    std::printf("  %s\n", text.c_str());
}

Timing best(const std::function<void()>& call, double atLeast) {
    return bestTiming(call, atLeast);
}

double bestSeconds(const std::function<void()>& call, double atLeast) {
    return best(call, atLeast).wall;
}

void keep(const void* pointer) {
    asm volatile("" : : "g"(pointer) : "memory");
}

} // namespace qs::bench

int main(int argc, char** argv) {
    using namespace qs::bench;
    if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
        for (const auto& e : entries())
            std::printf("%s\n", e.name.c_str());
        return 0;
    }
    int ran = 0;
    for (const auto& e : entries()) {
        if (!wanted(e.name, argc, argv)) continue;
        std::printf("%s\n", e.name.c_str());
        std::fflush(stdout);
        e.run(Report());
        ++ran;
    }
    if (ran == 0) std::fprintf(stderr, "no benchmark matches\n");
    return ran ? 0 : 1;
}
