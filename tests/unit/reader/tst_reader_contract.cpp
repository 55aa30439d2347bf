// SPDX-License-Identifier: Apache-2.0
// What every reader of the registry promises, on its own smallest example.
#include "core/base/file.h"
#include "tests/unit/reader/reader_fixture.h"

#include <set>

using namespace qs;
using namespace qs::test;
using namespace qs::test::reader_fixture;
namespace fs = std::filesystem;

/// The sample of the current row in a fresh folder, as `root`.
#define QS_NEED_SAMPLE(root)                                                                                 \
    const fs::path root = writeSample(reader(), scratchDir(("sample-" + reader().id).c_str()));              \
    QVERIFY2(!root.empty(), ("register a sample in tst_reader_" + reader().id + ".cpp: QS_SAMPLE(reader, " + \
                             reader().id + ", ...)")                                                         \
                                .c_str())

class ReaderContract : public QObject {
    Q_OBJECT

    static void rows() {
        QTest::addColumn<int>("index");
        for (size_t i = 0; i < readers().size(); ++i)
            QTest::addRow("%s", readers()[i]->id.c_str()) << int(i);
    }
    static const ReaderDescriptor& reader() {
        QFETCH(int, index);
        return *readers()[size_t(index)];
    }
    /// Opening fails with an error that names `path`.
    static bool refused(const fs::path& path, std::string& why) {
        const auto opened = reader().open(path);
        if (opened) {
            why = path.string() + " opened";
            return false;
        }
        why = opened.error().describe();
        return why.find(path.filename().string()) != std::string::npos && !opened.error().message.empty();
    }
    /// A damaged file: an error that names it, or a checkpoint whose tensors are read without harm.
    static bool survives(const fs::path& root, const fs::path& file, std::string& why) {
        const auto opened = reader().open(root);
        if (opened) {
            readsEverything(**opened);
            return true;
        }
        why = opened.error().describe();
        return why.find(file.filename().string()) != std::string::npos;
    }

private slots:
    void ids() {
        std::set<std::string> ids;
        for (const ReaderDescriptor* r : readers())
            QVERIFY2(ids.insert(r->id).second, r->id.c_str());
    }

    void described_data() { rows(); }
    void described() {
        const ReaderDescriptor& r = reader();
        QVERIFY(!r.id.empty() && !r.label.empty() && !r.summary.empty() && !r.extensions.empty());
        QVERIFY(r.accepts && r.open);
        QVERIFY(r.summary.find('\n') == std::string::npos);
        for (const std::string& e : r.extensions) {
            QVERIFY2(e.size() >= 2 && e[0] == '.', e.c_str());
            QVERIFY2(std::none_of(e.begin(), e.end(), [](char c) { return c >= 'A' && c <= 'Z'; }),
                     e.c_str());
        }
    }

    void opensItsSample_data() { rows(); }
    void opensItsSample() {
        QS_NEED_SAMPLE(root);
        QVERIFY(reader().accepts(root));
        const auto opened = openCheckpoint(root);
        QS_VERIFY_OK(opened);
        QCOMPARE((*opened)->readerId(), reader().id);
        QVERIFY(!(*opened)->tensors().empty());
        QVERIFY(readsEverything(**opened));
        for (const TensorInfo& t : (*opened)->tensors()) {
            QVERIFY2(!t.name.empty() && !t.file.empty(), t.name.c_str());
            QCOMPARE((*opened)->find(t.name), size_t(&t - (*opened)->tensors().data()));
        }
        QVERIFY(!weightFiles(reader(), root).empty());
    }

    void openingIsDeterministic_data() { rows(); }
    void openingIsDeterministic() {
        QS_NEED_SAMPLE(root);
        const auto a = reader().open(root), b = reader().open(root);
        QS_VERIFY_OK(a);
        QS_VERIFY_OK(b);
        QS_VERIFY_OK((*a)->fingerprint());
        QCOMPARE(*(*a)->fingerprint(), *(*b)->fingerprint());
        QCOMPARE((*a)->tensors().size(), (*b)->tensors().size());
        for (size_t i = 0; i < (*a)->tensors().size(); ++i) {
            const TensorInfo &s = (*a)->tensors()[i], &t = (*b)->tensors()[i];
            QVERIFY(s.name == t.name && s.shape == t.shape && s.dtype == t.dtype && s.bytes == t.bytes);
        }
    }

    /// The sample, with holes of 64 MiB behind it where the format allows, opens without its weights being
    /// touched.
    void onlyHeadersAreRead_data() { rows(); }
    void onlyHeadersAreRead() {
        const SampleWriter write = sampleOf("large_reader", reader().id);
        if (!write) QSKIP("no large sample: QS_SAMPLE(large_reader, ...)");
        const fs::path root = write(scratchDir("large-sample"));
        constexpr uint64_t kLarge = uint64_t(64) << 20, kHeaders = uint64_t(8) << 20;
        const uint64_t before = bytesTouched();
        const auto opened = reader().open(root);
        QS_VERIFY_OK(opened);
        const uint64_t touched = bytesTouched() - before;
        QVERIFY((*opened)->totalBytes() >= kLarge);
        QVERIFY2(touched < kHeaders, std::to_string(touched).c_str());
    }

    void acceptsNothingForeign_data() { rows(); }
    void acceptsNothingForeign() {
        const fs::path dir = scratchDir("foreign");
        fs::create_directory(dir / "empty");
        fs::create_directory(dir / "texts");
        writeBytes(dir / "texts" / "readme.txt", "weights are elsewhere");
        writeBytes(dir / "texts" / "config.json", "{}");
        const std::pair<const char*, std::string> files[] = {
            {"nothing", ""},          {"notes.txt", "Once upon a time"}, {"config.json", "{\"a\": 1}"},
            {"a.png", "\x89PNG\r\n"}, {"noise", randomBytes(5000, 1)},   {"noise.dat", randomBytes(100, 2)}};
        for (const auto& [name, bytes] : files)
            writeBytes(dir / name, bytes);
        for (const char* name : {"empty", "texts", "nothing", "notes.txt", "config.json", "a.png", "noise",
                                 "noise.dat", "missing", "missing/too", ""})
            QVERIFY2(!reader().accepts(dir / name), name);
        for (const std::string& e : reader().extensions)
            QVERIFY2(!reader().accepts(dir / ("missing" + e)), e.c_str());
        for (const ReaderDescriptor* other : readers()) {
            if (other == &reader()) continue;
            const fs::path sample = writeSample(*other, scratchDir(("foreign-" + other->id).c_str()));
            QVERIFY2(sample.empty() || !reader().accepts(sample), other->id.c_str());
        }
    }

    void refusesWhatIsNotThere_data() { rows(); }
    void refusesWhatIsNotThere() {
        const fs::path dir = scratchDir("absent");
        fs::create_directory(dir / "no-weights");
        writeBytes(dir / "no-weights" / "config.json", "{}");
        std::string why;
        QVERIFY2(refused(dir / "no-weights", why), why.c_str());
        QVERIFY2(refused(dir / "no-such-file", why), why.c_str());
        for (const std::string& e : reader().extensions) {
            QVERIFY2(refused(dir / ("missing" + e), why), why.c_str());
            fs::create_directory(dir / ("folder" + e));
            QVERIFY2(refused(dir / ("folder" + e), why), why.c_str());
        }
    }

    void refusesNoise_data() { rows(); }
    void refusesNoise() {
        const fs::path dir = scratchDir("noise");
        std::string why;
        for (const std::string& e : reader().extensions)
            for (const size_t size : {size_t(0), size_t(1), size_t(8), size_t(100), size_t(70000)})
                for (unsigned seed = 0; seed < 4; ++seed) {
                    const fs::path file =
                        dir / ("file-" + std::to_string(size) + "-" + std::to_string(seed) + e);
                    writeBytes(file, seed == 0 ? std::string(size, '\0') : randomBytes(size, seed));
                    QVERIFY2(refused(file, why), why.c_str());
                    const auto opened = openCheckpoint(file);
                    QVERIFY(!opened);
                    why = opened.error().describe();
                    QVERIFY2(why.find(file.filename().string()) != std::string::npos, why.c_str());
                }
    }

    void truncated_data() { rows(); }
    void truncated() {
        QS_NEED_SAMPLE(root);
        std::string why;
        for (const fs::path& file : weightFiles(reader(), root)) {
            const std::string whole = readBytes(file);
            const auto original = reader().open(root);
            QS_VERIFY_OK(original);
            std::set<size_t> sizes = {0, 1, 7, 8, 9, 16, 63, whole.size() - 1};
            for (size_t i = 1; i < 32; ++i)
                sizes.insert(whole.size() * i / 32);
            for (const size_t size : sizes) {
                if (size >= whole.size()) continue;
                // A new file: the one that is mapped keeps its content.
                fs::remove(file);
                writeBytes(file, whole.substr(0, size));
                const auto opened = reader().open(root);
                why = opened ? "opened" : opened.error().describe();
                why = file.filename().string() + " cut to " + std::to_string(size) + ": " + why;
                // Nothing but padding may be missing.
                if (opened)
                    QVERIFY2(readsEverything(**opened) &&
                                 (*opened)->tensors().size() == (*original)->tensors().size(),
                             why.c_str());
                else
                    QVERIFY2(opened.error().describe().find(file.filename().string()) != std::string::npos,
                             why.c_str());
                QVERIFY2(size * 2 > whole.size() || !opened, why.c_str());
            }
            fs::remove(file);
            writeBytes(file, whole);
        }
    }

    void alteredBytes_data() { rows(); }
    void alteredBytes() {
        QS_NEED_SAMPLE(root);
        std::mt19937 random(5);
        std::string why;
        for (const fs::path& file : weightFiles(reader(), root)) {
            const std::string whole = readBytes(file);
            for (size_t i = 0; i < 400; ++i) {
                std::string bytes = whole;
                // Every byte of the first 200, then any, one to four at a time.
                bytes[i < 200 ? i % bytes.size() : random() % bytes.size()] ^= char(1u << random() % 8);
                for (size_t more = i < 200 ? 0 : random() % 4; more > 0; --more)
                    bytes[random() % bytes.size()] = char(random());
                fs::remove(file);
                writeBytes(file, bytes);
                QVERIFY2(survives(root, file, why), why.c_str());
            }
            fs::remove(file);
            writeBytes(file, whole);
        }
    }
};

QS_TEST(ReaderContract)
#include "tst_reader_contract.moc"
