// SPDX-License-Identifier: Apache-2.0
#include "core/base/file.h"
#include "core/hdf5/h5_file.h"
#include "tests/support/killed_child.h"
#include "tests/support/qs_test.h"

#include <csignal>
#include <fstream>
#include <numeric>
#include <random>
#include <sys/resource.h>
#include <thread>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

size_t filesIn(const fs::path& folder) {
    return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

MatrixD ramp(size_t rows, size_t cols) {
    MatrixD m(rows, cols);
    std::iota(m.data(), m.data() + m.size(), 0.25);
    return m;
}

std::vector<uint8_t> bytesOf(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void writeBytes(const fs::path& path, const std::vector<uint8_t>& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), long(bytes.size()));
}

const std::vector<HalfBits> kHalves = {{0x3c00}, {0xc000}, {0x0001}, {0x7bff}, {0x8000}, {0x7c00}};

Result<void> writeExample(const fs::path& path) {
    QS_TRY(auto w, H5Writer::begin(path));
    QS_CHECK(w->matrix("/a/b/sigma", ramp(300, 301), H5Filter::Checksum));
    QS_CHECK(w->array<HalfBits>("/a/half", kHalves, {2, 3}, H5Filter::Compress));
    const std::vector<uint8_t> codes(100000, 7);
    QS_CHECK(w->array<uint8_t>("/codes", codes, {100, 1000}, H5Filter::Compress));
    const std::vector<int32_t> ints = {-1, 0, 2147483647};
    QS_CHECK(w->array<int32_t>("/ints", ints, {3}, H5Filter::Compress));
    const std::vector<uint16_t> words = {0xffff, 1};
    QS_CHECK(w->array<uint16_t>("/words", words, {1, 2, 1}, H5Filter::Checksum));
    QS_CHECK(w->array<float>("/empty", {}, {0, 5}, H5Filter::Compress));
    QS_CHECK(w->text("/json", "{\"name\":\"käse\"}"));
    QS_CHECK(w->attribute("/", "title", "größer"));
    QS_CHECK(w->attribute("/a", "n", int64_t(-5)));
    QS_CHECK(w->attribute("/a", "nothing", ""));
    return w->commit();
}

} // namespace

class H5File : public QObject {
    Q_OBJECT
private slots:
    void roundTrip() {
        const fs::path path = scratchDir("h5-round") / "x.h5";
        QS_VERIFY_OK(writeExample(path));
        QCOMPARE(filesIn(path.parent_path()), size_t(1));
        auto opened = H5Reader::open(path);
        QS_VERIFY_OK(opened);
        const H5Reader& f = **opened;
        const auto sigma = f.matrix<double>("/a/b/sigma", 300, 301);
        QS_VERIFY_OK(sigma);
        const MatrixD expected = ramp(300, 301);
        QVERIFY(std::equal(expected.span().begin(), expected.span().end(), sigma->data()));
        const auto half = f.array<HalfBits>("/a/half", {2, 3});
        QS_VERIFY_OK(half);
        for (size_t i = 0; i < kHalves.size(); ++i)
            QCOMPARE((*half)[i].bits, kHalves[i].bits);
        const auto codes = f.array<uint8_t>("/codes", {100, 1000});
        QS_VERIFY_OK(codes);
        QCOMPARE(std::count(codes->begin(), codes->end(), 7), ptrdiff_t(100000));
        const auto ints = f.array<int32_t>("/ints", {3});
        QS_VERIFY_OK(ints);
        QCOMPARE(*ints, (std::vector<int32_t>{-1, 0, 2147483647}));
        const auto words = f.array<uint16_t>("/words", {1, 2, 1});
        QS_VERIFY_OK(words);
        QCOMPARE((*words)[0], uint16_t(0xffff));
        const auto empty = f.array<float>("/empty", {0, 5});
        QS_VERIFY_OK(empty);
        const auto text = f.text("/json");
        QS_VERIFY_OK(text);
        QCOMPARE(*text, std::string("{\"name\":\"käse\"}"));
        QCOMPARE(f.stringAttribute("/", "title").value(), std::string("größer"));
        QCOMPARE(f.stringAttribute("/a", "nothing").value(), std::string());
        QCOMPARE(f.intAttribute("/a", "n", -5, 5).value(), int64_t(-5));
        QCOMPARE(f.children("/a").value(), (std::vector<std::string>{"b", "half"}));
        QCOMPARE(f.shape("/words").value(), (H5Shape{1, 2, 1}));
        QVERIFY(f.type("/a/half").value() == H5Type::F16);
        QVERIFY(f.exists("/a/b") && !f.exists("/a/c") && f.exists("/"));
        QVERIFY(f.hasAttribute("/a", "n") && !f.hasAttribute("/a", "m"));
    }

    void sameContentSameBytes() {
        const fs::path folder = scratchDir("h5-same");
        QS_VERIFY_OK(writeExample(folder / "a.h5"));
        QS_VERIFY_OK(writeExample(folder / "b.h5"));
        QCOMPARE(bytesOf(folder / "a.h5"), bytesOf(folder / "b.h5"));
    }

    void withoutCommitNothingIsLeft() {
        const fs::path folder = scratchDir("h5-none"), path = folder / "x.h5";
        {
            auto w = H5Writer::begin(path);
            QS_VERIFY_OK(w);
            QS_VERIFY_OK((*w)->matrix("/m", ramp(400, 400), H5Filter::Checksum));
            QVERIFY(!fs::exists(path));
            QCOMPARE(filesIn(folder), size_t(1));
        }
        QCOMPARE(filesIn(folder), size_t(0));
    }

    void whatAKilledWriterLeftGoes() {
        const fs::path path = scratchDir("h5-killed") / "x.h5";
        KilledChild child([&] {
            static std::unique_ptr<H5Writer> writer = std::move(*H5Writer::begin(path)); // open until the end
            (void)writer->matrix("/m", ramp(300, 300), H5Filter::Checksum);
        });
        QVERIFY(child.ready());
        QCOMPARE(filesIn(path.parent_path()), size_t(1));
        QS_VERIFY_OK(writeExample(path)); // beside a living writer of the same path
        QCOMPARE(filesIn(path.parent_path()), size_t(2));
        QVERIFY(child.kill());
        QCOMPARE(filesIn(path.parent_path()), size_t(2));
        QS_VERIFY_OK(writeExample(path));
        QCOMPARE(filesIn(path.parent_path()), size_t(1));
    }
    void anOlderFileStaysUntilCommit() {
        const fs::path folder = scratchDir("h5-older"), path = folder / "x.h5";
        QS_VERIFY_OK(writeFileAtomically(path, std::string("older")));
        {
            auto w = H5Writer::begin(path);
            QS_VERIFY_OK(w);
            QS_VERIFY_OK((*w)->text("/t", "new"));
        }
        QCOMPARE(readTextFile(path).value(), std::string("older"));
        auto w = H5Writer::begin(path);
        QS_VERIFY_OK(w);
        QS_VERIFY_OK((*w)->text("/t", "new"));
        QS_VERIFY_OK((*w)->commit());
        auto f = H5Reader::open(path);
        QS_VERIFY_OK(f);
        QCOMPARE((*f)->text("/t").value(), std::string("new"));
        QCOMPARE(filesIn(folder), size_t(1));
    }

    void writerErrors() {
        const fs::path folder = scratchDir("h5-errors");
        const auto nowhere = H5Writer::begin(folder / "missing" / "x.h5");
        QVERIFY(!nowhere);
        QVERIFY(nowhere.error().code == ErrorCode::NotFound);
        auto w = H5Writer::begin(folder / "x.h5");
        QS_VERIFY_OK(w);
        const std::vector<float> three = {1, 2, 3};
        for (const H5Shape& shape :
             {H5Shape{}, H5Shape{4}, H5Shape{1, 1, 1, 1, 3}, H5Shape{1ull << 40, 1ull << 40}})
            QVERIFY(!(*w)->array<float>("/m", three, shape, H5Filter::Checksum));
        QS_VERIFY_OK((*w)->array<float>("/m", three, {3}, H5Filter::Checksum));
        const auto twice = (*w)->array<float>("/m", three, {3}, H5Filter::Checksum);
        QVERIFY(!twice);
        QVERIFY(twice.error().describe().find("x.h5: /m: cannot create the array") != std::string::npos);
        QVERIFY(!(*w)->attribute("/", "long", std::string(kH5MaxAttribute + 1, 'x')));
        QVERIFY(!(*w)->attribute("/", "nul", std::string("a\0b", 3)));
        QVERIFY(!(*w)->attribute("/none", "a", "b"));
    }

    void readerRefusals() {
        const fs::path folder = scratchDir("h5-refuse");
        const auto code = [](const auto& r) { return r ? ErrorCode::Internal : r.error().code; };
        QVERIFY(code(H5Reader::open(folder / "none.h5")) == ErrorCode::NotFound);
        QVERIFY(code(H5Reader::open(folder)) == ErrorCode::InvalidArgument);
        QS_VERIFY_OK(writeFileAtomically(folder / "text.h5", std::string("this is not HDF5")));
        QVERIFY(code(H5Reader::open(folder / "text.h5")) == ErrorCode::Corrupt);
        QS_VERIFY_OK(writeFileAtomically(folder / "zero.h5", std::string()));
        QVERIFY(code(H5Reader::open(folder / "zero.h5")) == ErrorCode::Corrupt);
        QS_VERIFY_OK(writeExample(folder / "x.h5"));
        auto bytes = bytesOf(folder / "x.h5");
        bytes[8] = 0;
        writeBytes(folder / "v0.h5", bytes);
        QVERIFY(code(H5Reader::open(folder / "v0.h5")) == ErrorCode::Unsupported);
        auto opened = H5Reader::open(folder / "x.h5");
        QS_VERIFY_OK(opened);
        const H5Reader& f = **opened;
        QVERIFY(code(f.matrix<float>("/a/b/sigma", 300, 301)) == ErrorCode::Corrupt);
        const auto shape = f.matrix<double>("/a/b/sigma", 301, 300);
        QVERIFY(code(shape) == ErrorCode::Corrupt);
        QVERIFY(shape.error().describe().find("/a/b/sigma: shape is [300, 301], expected [301, 300]") !=
                std::string::npos);
        QVERIFY(code(f.array<uint16_t>("/a/half", {2, 3})) == ErrorCode::Corrupt);
        QVERIFY(code(f.array<float>("/missing", {3})) == ErrorCode::NotFound);
        QVERIFY(code(f.array<float>("/codes/inside", {3})) != ErrorCode::Internal);
        QVERIFY(code(f.array<float>("/a", {3})) == ErrorCode::Corrupt);
        QVERIFY(code(f.text("/ints")) == ErrorCode::Corrupt);
        QVERIFY(code(f.text("/codes")) == ErrorCode::Corrupt);
        QVERIFY(code(f.children("/ints")) == ErrorCode::Corrupt);
        QVERIFY(code(f.stringAttribute("/a", "n")) == ErrorCode::Corrupt);
        QVERIFY(code(f.intAttribute("/", "title", 0, 9)) == ErrorCode::Corrupt);
        QVERIFY(code(f.intAttribute("/a", "n", 0, 9)) == ErrorCode::Corrupt);
        QVERIFY(code(f.intAttribute("/a", "m", 0, 9)) == ErrorCode::NotFound);
    }

    // Every length that a broken copy can have must be an error or a file that reads whole.
    void truncated() {
        const fs::path folder = scratchDir("h5-cut");
        QS_VERIFY_OK(writeExample(folder / "x.h5"));
        const auto bytes = bytesOf(folder / "x.h5");
        for (int i = 1; i <= 40; ++i) {
            const size_t keep = bytes.size() * size_t(i) / 41;
            writeBytes(folder / "cut.h5", {bytes.begin(), bytes.begin() + long(keep)});
            const auto f = H5Reader::open(folder / "cut.h5");
            QVERIFY(!f);
            QVERIFY(f.error().describe().find("cut.h5") != std::string::npos);
        }
    }

    // A flipped byte is an error or changes nothing (it was padding): never another value, never a crash.
    void flippedBytesNeverChangeValues() {
        const fs::path folder = scratchDir("h5-flip");
        QS_VERIFY_OK(writeExample(folder / "x.h5"));
        const auto bytes = bytesOf(folder / "x.h5");
        const MatrixD expected = ramp(300, 301);
        std::mt19937 random(11);
        size_t noticed = 0;
        constexpr int kTrials = 200;
        for (int i = 0; i < kTrials; ++i) {
            auto damaged = bytes;
            // Half of the flips in the values of sigma, half in metadata at both ends.
            const size_t at = i % 2   ? random() % bytes.size()
                              : i % 4 ? random() % 4096
                                      : bytes.size() - 1 - random() % 8192;
            damaged[at] ^= uint8_t(1u << random() % 8);
            writeBytes(folder / "flip.h5", damaged);
            const auto f = H5Reader::open(folder / "flip.h5");
            if (!f) {
                ++noticed;
                continue;
            }
            const auto sigma = (*f)->matrix<double>("/a/b/sigma", 300, 301);
            const auto half = (*f)->array<HalfBits>("/a/half", {2, 3});
            const auto text = (*f)->text("/json");
            const auto codes = (*f)->array<uint8_t>("/codes", {100, 1000});
            const auto number = (*f)->intAttribute("/a", "n", -5, -5);
            if (!sigma || !half || !text || !codes || !number) ++noticed;
            if (sigma) QVERIFY(std::equal(expected.span().begin(), expected.span().end(), sigma->data()));
            if (half)
                for (size_t k = 0; k < kHalves.size(); ++k)
                    QCOMPARE((*half)[k].bits, kHalves[k].bits);
            if (text) QCOMPARE(*text, std::string("{\"name\":\"käse\"}"));
            if (codes) QCOMPARE(std::count(codes->begin(), codes->end(), 7), ptrdiff_t(100000));
        }
        QVERIFY(noticed > kTrials / 2);
    }

    // A file system without room: an error that says so, nothing left behind, and the library still works.
    void noRoom() {
        const fs::path folder = scratchDir("h5-full");
        const auto previous = std::signal(SIGXFSZ, SIG_IGN);
        rlimit all{};
        QCOMPARE(getrlimit(RLIMIT_FSIZE, &all), 0);
        rlimit few = all;
        few.rlim_cur = 300 * 1024;
        for (int i = 0; i < 3; ++i) {
            QCOMPARE(setrlimit(RLIMIT_FSIZE, &few), 0);
            const auto r = writeExample(folder / "x.h5");
            QCOMPARE(setrlimit(RLIMIT_FSIZE, &all), 0);
            QVERIFY(!r);
            QVERIFY(r.error().code == ErrorCode::Io);
            QVERIFY2(r.error().describe().find("File too large") != std::string::npos,
                     r.error().describe().c_str());
            QVERIFY(fs::is_empty(folder));
        }
        std::signal(SIGXFSZ, previous);
        QS_VERIFY_OK(writeExample(folder / "x.h5"));
        QS_VERIFY_OK(H5Reader::open(folder / "x.h5"));
    }

    void severalThreads() {
        const fs::path folder = scratchDir("h5-threads");
        std::vector<std::thread> threads;
        std::atomic<int> good = 0;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                const fs::path path = folder / ("x" + std::to_string(t) + ".h5");
                for (int i = 0; i < 5; ++i) {
                    if (!writeExample(path)) return;
                    const auto f = H5Reader::open(path);
                    if (!f || !(*f)->matrix<double>("/a/b/sigma", 300, 301)) return;
                    if ((*f)->matrix<double>("/a/b/other", 3, 3)) return;
                }
                ++good;
            });
        for (std::thread& t : threads)
            t.join();
        QCOMPARE(good.load(), 4);
    }

    // Files of other programs (foreign/make_foreign.py) that are valid HDF5 and still not for us.
    void foreignFiles_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("expected");
        QTest::newRow("soft") << "soft_link.h5"
                              << "/m: soft, external and user-defined links are refused";
        QTest::newRow("external") << "external_link.h5"
                                  << "/m: soft, external and user-defined links are refused";
        QTest::newRow("storage") << "external_storage.h5"
                                 << "/m: external storage is refused";
        QTest::newRow("virtual") << "virtual.h5"
                                 << "/m: virtual storage is refused";
        QTest::newRow("filter") << "scale_offset.h5"
                                << "/m: filter 6 is refused";
        QTest::newRow("claim") << "claims_terabytes.h5"
                               << "exceeds 68719476736 bytes";
        QTest::newRow("holes") << "no_chunks.h5"
                               << "0 stored bytes cannot hold shape [1024, 1024]";
        QTest::newRow("chunk") << "huge_chunk.h5"
                               << "a chunk exceeds 67108864 bytes";
        QTest::newRow("type") << "strings.h5"
                              << "not one of ours";
        QTest::newRow("scalar") << "scalar.h5"
                                << "1 to 4 dimensions, not 0";
        QTest::newRow("old") << "old_format.h5"
                             << "superblock version 0";
    }
    void foreignFiles() {
        QFETCH(QString, file);
        QFETCH(QString, expected);
        const auto opened = H5Reader::open(sourceDir() / "tests/unit/hdf5/foreign" / file.toStdString());
        std::string text;
        if (!opened) {
            text = opened.error().describe();
        } else {
            const auto shape = (*opened)->shape("/m");
            const auto m =
                shape ? (*opened)->array<double>("/m", *shape) : Result<std::vector<double>>(shape.error());
            QVERIFY(!m);
            text = m.error().describe();
        }
        QVERIFY2(QString::fromStdString(text).contains(expected), text.c_str());
    }

    void attributeOfVariableLength() {
        const auto f = H5Reader::open(sourceDir() / "tests/unit/hdf5/foreign/strings.h5");
        QS_VERIFY_OK(f);
        QVERIFY((*f)->stringAttribute("/", "variable").error().code == ErrorCode::Corrupt);
        QVERIFY((*f)->intAttribute("/", "array", 0, 9).error().code == ErrorCode::Corrupt);
    }

    void escapedNames() {
        QCOMPARE(h5EscapeName("layers.0.q"), std::string("layers.0.q"));
        QCOMPARE(h5EscapeName("a/b%2F"), std::string("a%2Fb%252F"));
        QCOMPARE(h5EscapeName("."), std::string("%2E"));
    }
};

QS_TEST(H5File)
#include "tst_h5_file.moc"
