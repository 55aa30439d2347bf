// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef QS_GUI_TESTS
#include <QApplication>
#include <QFont>
#include <QStandardPaths>
#include <QStyleFactory>
#endif

namespace fs = std::filesystem;

namespace qs::test {

namespace {
struct Entry {
    const char* name;
    TestFactory factory;
};
std::vector<Entry>& entries() {
    static std::vector<Entry> list;
    return list;
}
fs::path scratchRoot() {
    static const fs::path root =
        fs::temp_directory_path() / ("quantoscope-test-" + std::to_string(::getpid()));
    return root;
}
} // namespace

bool registerTest(const char* name, TestFactory factory) {
    entries().push_back({name, std::move(factory)});
    return true;
}

fs::path sourceDir() {
    return QS_SOURCE_DIR;
}
fs::path sampleModel() {
    return sourceDir() / "resources/sample/model";
}

fs::path sharedDir() {
    const char* given = std::getenv("QS_SHARED");
    const fs::path p = given && *given ? fs::path(given) : sourceDir().parent_path() / "shared";
    std::error_code ec;
    return fs::is_directory(p / "data", ec) ? p : fs::path();
}

fs::path scratchDir(const char* name) {
    const fs::path p = scratchRoot() / name;
    std::error_code ec;
    fs::remove_all(p, ec);
    fs::create_directories(p);
    return p;
}

} // namespace qs::test

namespace {

/// Runs one class in a process of its own; true when it passed. QtTest keeps in the process that a class was
/// skipped as a whole, and then skips every class behind it without a word. `log`: a second copy of what it
/// prints.
bool passesAlone(const char* name, const std::vector<char*>& rest, const fs::path& log) {
    std::string more[] = {"--class", name, "-o", "-,txt", "-o", log.string() + ",txt"};
    std::vector<char*> arguments(rest);
    for (std::string& argument : more)
        arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    pid_t child = 0;
    int status = 0;
    if (::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ) != 0)
        return false;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// What a log says of failures: each verdict "FAIL!  : " and the lines of its message.
std::string failuresIn(const fs::path& log) {
    constexpr int kLines = 20;
    std::ifstream in(log);
    std::string out, line;
    for (int left = 0; std::getline(in, line); --left) {
        const bool verdict =
            line.compare(0, 7, "Totals:") == 0 || (line.size() > 9 && line.substr(7, 2) == ": ");
        if (verdict) left = line[0] == 'F' || line[0] == 'X' || line.rfind("QFATAL", 0) == 0 ? kLines : 0;
        if (left > 0) out += "  " + line + "\n";
    }
    return out;
}

/// The failures again at the end: what a build server shows of long output is its end.
int runEach(const std::vector<char*>& rest) {
    const fs::path log = qs::test::scratchDir("log") / "class.txt";
    std::string failures;
    int failed = 0;
    std::error_code ec;
    for (const auto& e : qs::test::entries()) {
        fs::remove(log, ec); // of the class before: one that crashes may leave none
        if (passesAlone(e.name, rest, log)) continue;
        ++failed;
        failures += "class " + std::string(e.name) + " failed\n" + failuresIn(log);
    }
    fs::remove_all(qs::test::scratchRoot(), ec);
    std::fprintf(stderr, "%s%zu classes, %d failed\n", failures.c_str(), qs::test::entries().size(), failed);
    return failed || qs::test::entries().empty() ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
    ::setenv("QT_QPA_PLATFORM", "offscreen", 0);
    const bool single = std::any_of(argv, argv + argc, [](char* a) { return !std::strcmp(a, "--class"); });
    if (!single && qs::test::entries().size() != 1) return runEach({argv, argv + argc});
#ifdef QS_GUI_TESTS
    QStandardPaths::setTestModeEnabled(true);
    QApplication app(argc, argv);
    QApplication::setStyle(QStyleFactory::create("Fusion"));
#else
    QCoreApplication app(argc, argv);
#endif
    const char* only = nullptr;
    std::vector<char*> rest;
    for (int i = 0; i < argc; ++i) {
        if (std::strcmp(argv[i], "--class") == 0 && i + 1 < argc)
            only = argv[++i];
        else
            rest.push_back(argv[i]);
    }
    int failed = 0, ran = 0;
    for (const auto& e : qs::test::entries()) {
        if (only && std::strcmp(only, e.name) != 0) continue;
        ++ran;
        std::unique_ptr<QObject> object(e.factory());
        failed += QTest::qExec(object.get(), int(rest.size()), rest.data());
    }
    std::error_code ec;
    fs::remove_all(qs::test::scratchRoot(), ec);
    if (ran == 0) {
        std::fprintf(stderr, "no test class%s%s\n", only ? " named " : "", only ? only : "");
        return 1;
    }
    return failed ? 1 : 0;
}
