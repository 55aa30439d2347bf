// SPDX-License-Identifier: Apache-2.0
// The reading process from the outside: its limits, its death, and programs that only pretend to be it.
#include "core/hdf5/h5_import.h"
#include "tests/support/qs_test.h"

#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

fs::path types() {
    return sourceDir() / "tests/unit/reader/foreign/types.h5";
}

/// Processes of this one that run quantoscope-h5reader.
std::vector<pid_t> readingProcesses() {
    std::vector<pid_t> out;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream in(entry.path() / "stat");
        std::string pid, program, state;
        pid_t parent = 0;
        if (in >> pid >> program >> state >> parent && parent == ::getpid() && program == "(quantoscope-h5r)")
            out.push_back(std::stoi(name));
    }
    return out;
}

std::string procFile(pid_t pid, const char* name) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
}

const H5Node& nodeAt(const H5Import& import, const std::string& path) {
    for (const H5Node& n : import.listing().nodes)
        if (n.path == path) return n;
    static const H5Node none;
    return none;
}

fs::path script(const char* name, const std::string& body) {
    const fs::path path = scratchDir(name) / "reader";
    std::ofstream(path) << "#!/bin/sh\n" << body;
    fs::permissions(path, fs::perms::owner_all);
    return path;
}

QString openError(const H5ImportOptions& options) {
    const auto opened = H5Import::open(types(), options);
    return opened ? QString() : QString::fromStdString(opened.error().describe());
}

Result<std::vector<std::byte>> readAll(const H5Import& import, const std::string& path) {
    const H5Node& n = nodeAt(import, path);
    std::vector<std::byte> out(size_t(n.elements()) * size_t(dtypeInfo(n.type).bits / 8));
    QS_CHECK(import.read(n, 0, n.elements(), out));
    return out;
}

} // namespace

class H5ImportTest : public QObject {
    Q_OBJECT
private slots:
    void theProcessIsLimited() {
#if defined(__SANITIZE_ADDRESS__)
        QSKIP("a sanitized process needs more memory and system calls than the limits allow");
#endif
        const auto import = H5Import::open(types());
        QS_VERIFY_OK(import);
        const auto list = readingProcesses();
        QCOMPARE(list.size(), size_t(1));
        const std::string status = procFile(list[0], "status");
        QVERIFY2(status.find("NoNewPrivs:\t1") != std::string::npos, status.c_str());
        QVERIFY2(status.find("Seccomp:\t2") != std::string::npos, status.c_str());
        const QString limits = QString::fromStdString(procFile(list[0], "limits"));
        for (const char* line : {"Max address space +1073741824 +1073741824", "Max open files +4 +4",
                                 "Max file size +0 +0", "Max core file size +0 +0"})
            QVERIFY2(limits.contains(QRegularExpression(line)), qPrintable(limits));
    }

    void itEndsWithItsOwner() {
        {
            const auto import = H5Import::open(types());
            QS_VERIFY_OK(import);
            QCOMPARE(readingProcesses().size(), size_t(1));
        }
        QCOMPARE(readingProcesses().size(), size_t(0));
    }

    void killedBetweenRequests() {
        const auto import = H5Import::open(types());
        QS_VERIFY_OK(import);
        QS_VERIFY_OK(readAll(**import, "/f4"));
        const auto list = readingProcesses();
        QCOMPARE(list.size(), size_t(1));
        QCOMPARE(::kill(list[0], SIGKILL), 0);
        const auto failed = readAll(**import, "/f4");
        QVERIFY(!failed);
        const QString message = QString::fromStdString(failed.error().describe());
        QVERIFY2(message.contains("types.h5") && message.contains("signal 9"), qPrintable(message));
        // The next request starts another one.
        const auto bytes = readAll(**import, "/f4");
        QS_VERIFY_OK(bytes);
        float first = 0;
        std::memcpy(&first, bytes->data(), 4);
        QCOMPARE(first, 1.0f);
    }

    /// Stopped before the request, killed while it waits for the answer.
    void killedInTheMiddle() {
        const auto import = H5Import::open(types());
        QS_VERIFY_OK(import);
        const auto list = readingProcesses();
        QCOMPARE(list.size(), size_t(1));
        QCOMPARE(::kill(list[0], SIGSTOP), 0);
        std::thread killer([pid = list[0]] {
            ::usleep(200'000);
            ::kill(pid, SIGKILL);
        });
        const auto failed = readAll(**import, "/f4");
        killer.join();
        QVERIFY(!failed);
        QVERIFY(failed.error().describe().find("signal 9") != std::string::npos);
    }

    void silence() {
        const auto import = H5Import::open(types(), {{}, std::chrono::seconds(1)});
        QS_VERIFY_OK(import);
        const auto list = readingProcesses();
        QCOMPARE(list.size(), size_t(1));
        QCOMPARE(::kill(list[0], SIGSTOP), 0);
        QElapsedTimer timer;
        timer.start();
        const auto failed = readAll(**import, "/f4");
        QVERIFY(!failed);
        QVERIFY2(failed.error().describe().find("no answer in time") != std::string::npos,
                 failed.error().describe().c_str());
        QVERIFY(timer.elapsed() < 5000);
        QCOMPARE(readingProcesses().size(), size_t(0));
    }

    void missingProgram() {
        QVERIFY(openError({"/nowhere/quantoscope-h5reader", std::chrono::seconds(5)})
                    .contains("/nowhere/quantoscope-h5reader"));
        qputenv("QS_H5READER", "/nowhere/else");
        const QString message = openError({});
        qunsetenv("QS_H5READER");
        QVERIFY2(message.contains("/nowhere/else") && message.contains("types.h5"), qPrintable(message));
    }

    void pretenders() {
        const auto with = [](const fs::path& program) {
            return openError({program, std::chrono::seconds(2)});
        };
        QVERIFY(with("/bin/false").contains("ended with status 1"));
        QVERIFY(with("/bin/true").contains("ended with status 0"));
        QVERIFY(with(script("h5-crash", "kill -SEGV $$\n")).contains("signal 11"));
        QVERIFY(with(script("h5-nonsense", "echo 'this is no frame but a long enough line'; sleep 5\n"))
                    .contains("no frame"));
        QVERIFY(with(script("h5-silent", "sleep 30\n")).contains("no answer in time"));
        // 16 bytes of header that announce 2^60 bytes, and a failure that is none.
        const std::string huge = R"(printf 'QH51\003\000\000\000\000\000\000\000\000\000\000\020'; sleep 5)";
        QVERIFY(with(script("h5-huge", huge + "\n")).contains("bytes announced"));
        const std::string bad =
            R"(printf 'QH51\005\000\000\000\001\000\000\000\000\000\000\000\011'; sleep 5)";
        QVERIFY(with(script("h5-failure", bad + "\n")).contains("answers wrongly"));
        const std::string cut = R"(printf 'QH51\003\000\000\000\377\000\000\000\000\000\000\000abc')";
        QVERIFY(with(script("h5-cut", cut + "\n")).contains("ended with status 0"));
    }

    void requestsOutsideTheArray() {
        const auto import = H5Import::open(types());
        QS_VERIFY_OK(import);
        H5Node n = nodeAt(**import, "/f4");
        std::vector<std::byte> out(4);
        QVERIFY(!(*import)->read(n, 6, 1, out));
        QVERIFY(!(*import)->read(n, uint64_t(-1), 1, out));
        QVERIFY(!(*import)->read(n, 0, 2, out));
        // A parent that lies about the array is answered with an error, not with bytes of something else.
        n.shape = {1000};
        std::vector<std::byte> more(4000);
        const auto failed = (*import)->read(n, 0, 1000, more);
        QVERIFY(!failed && failed.error().describe().find("elements 0 to 1000 of 6") != std::string::npos);
        n.path = "/nothing";
        QVERIFY(!(*import)->read(n, 0, 1, out));
        QS_VERIFY_OK(readAll(**import, "/f4")); // and the process lives
    }
};

QS_TEST(H5ImportTest)
#include "tst_h5_import.moc"
