// SPDX-License-Identifier: Apache-2.0
// The writer byte for byte against files that tests/golden/gen/gguf_written.py made from the specification.
#include "core/checkpoint/gguf_writer.h"

#include "core/checkpoint/gguf_set.h"
#include "tests/support/qs_test.h"

#include <fstream>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

std::string fileBytes(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

GgufFields goldenFields() {
    GgufFields f;
    f.text("general.architecture", "overwritten");
    f.u16("a.u16", 65535);
    f.u32("a.u32", 4000000000u);
    f.i32("a.i32", -7);
    f.u64("a.u64", uint64_t(1) << 63);
    f.f32("a.f32", 1e-5f);
    f.f64("a.f64", 0.1);
    f.boolean("a.true", true);
    f.boolean("a.false", false);
    f.text("a.empty", "");
    f.texts("a.texts", {"x", "", "\u2581\u00e9"});
    f.floats("a.floats", std::vector<float>{0.5f, -2});
    f.integers("a.integers", std::vector<int32_t>{1, -1, 6});
    f.octets("a.octets", std::vector<std::byte>{std::byte(0), std::byte(255), std::byte(127)});
    f.texts("a.none", {});
    f.text("general.architecture", "llama"); // keeps its place
    return f;
}

GgufItem item(const char* name, std::vector<uint64_t> shape, uint32_t type, int number) {
    return {name, ggmlType(type), std::move(shape), [number](std::span<std::byte> out) -> Result<void> {
                for (size_t i = 0; i < out.size(); ++i)
                    out[i] = std::byte((37 * size_t(number) + i) % 256);
                return {};
            }};
}

std::vector<GgufItem> goldenItems() {
    return {item("one", {1}, 0, 0), item("odd.weight", {3, 5}, 1, 1), item("blocks", {2, 64}, 8, 2),
            item("stack", {2, 3, 32}, 2, 3), item("half", {7}, 30, 4)};
}

} // namespace

class GgufWriter : public QObject {
    Q_OBJECT

    fs::path folder_;

    QString refusal(std::vector<GgufItem> items, const GgufFields& fields = {}) {
        const auto parts = ggufParts("bad", fields, items, 0);
        const auto written = writeGguf(folder_ / "bad.gguf", parts[0], items, {});
        if (written || fs::exists(folder_ / "bad.gguf") || !fs::is_empty(folder_)) return "was written";
        return QString::fromStdString(written.error().describe());
    }

private slots:
    void init() { folder_ = scratchDir("gguf-writer"); }

    void wholeFile() {
        const auto items = goldenItems();
        const auto parts = ggufParts("written", goldenFields(), items, 0);
        QCOMPARE(parts.size(), size_t(1));
        QS_VERIFY_OK(writeGguf(folder_ / parts[0].name, parts[0], items, {}));
        const std::string want = fileBytes(sourceDir() / "tests/golden/gguf/written.gguf");
        QVERIFY(want.size() > 500);
        QCOMPARE(ggufFileSize(parts[0], items), uint64_t(want.size()));
        QVERIFY(fileBytes(folder_ / "written.gguf") == want);
    }

    void splitFiles() {
        const auto items = goldenItems();
        // 160 bytes and the next would pass: 32 + 32 | 160 | 128 + 32.
        const auto parts = ggufParts("written", goldenFields(), items, 160);
        QCOMPARE(parts.size(), size_t(3));
        for (const GgufPart& p : parts) {
            QS_VERIFY_OK(writeGguf(folder_ / p.name, p, items, {}));
            const std::string want = fileBytes(sourceDir() / "tests/golden/gguf" / p.name);
            QVERIFY(want.size() > 100);
            QCOMPARE(ggufFileSize(p, items), uint64_t(want.size()));
            QVERIFY2(fileBytes(folder_ / p.name) == want, p.name.c_str());
        }
        const auto set = GgufSet::open(folder_ / parts[2].name);
        QS_VERIFY_OK(set);
        QCOMPARE((*set)->tensors().size(), items.size());
    }

    /// A file may hold one tensor that is larger than the limit, never none.
    void splitLimitBelowATensor() {
        const auto items = goldenItems();
        const auto parts = ggufParts("x", {}, items, 1);
        QCOMPARE(parts.size(), items.size());
        for (size_t i = 0; i < parts.size(); ++i)
            QCOMPARE(parts[i].items, std::vector<size_t>{i});
    }

    void valuesOfAnotherFileAreCopied() {
        const auto file = MappedFile::open(sourceDir() / "tests/golden/gguf/written.gguf");
        QS_VERIFY_OK(file);
        const auto header = parseGguf((*file)->bytes(), "written.gguf");
        QS_VERIFY_OK(header);
        GgufFields copied;
        for (const GgufMetadata::Entry& e : header->metadata.entries())
            copied.copy(std::string(e.key), e.value);
        const auto items = goldenItems();
        const auto parts = ggufParts("copied", copied, items, 0);
        QS_VERIFY_OK(writeGguf(folder_ / "copied.gguf", parts[0], items, {}));
        QVERIFY(fileBytes(folder_ / "copied.gguf") ==
                fileBytes(sourceDir() / "tests/golden/gguf/written.gguf"));
    }

    void refused() {
        QVERIFY(refusal({item("", {1}, 0, 0)}).contains("name"));
        QVERIFY(refusal({item(std::string(64, 'n').c_str(), {1}, 0, 0)}).contains("63"));
        QVERIFY(refusal({item("bad\xff", {1}, 0, 0)}).contains("UTF-8"));
        QVERIFY(refusal({item("twice", {1}, 0, 0), item("twice", {2}, 0, 0)}).contains("twice"));
        QVERIFY(refusal({item("scalar", {}, 0, 0)}).contains("dimensions"));
        QVERIFY(refusal({item("deep", {1, 1, 1, 1, 1}, 0, 0)}).contains("dimensions"));
        QVERIFY(refusal({item("rows", {2, 48}, 2, 0)}).contains("48"));
        GgufFields fields;
        fields.u32(std::string(65536, 'k'), 1);
        QVERIFY(refusal(goldenItems(), fields).contains("65535"));
    }

    void failureLeavesNothing() {
        auto items = goldenItems();
        items[3].fill = [](std::span<std::byte>) -> Result<void> { return Error::invalid("planted"); };
        const QString error = refusal(items);
        QVERIFY2(error.contains("planted") && error.contains("stack"), qPrintable(error));
        std::stop_source stop;
        items = goldenItems();
        items[2].fill = [&](std::span<std::byte>) -> Result<void> {
            stop.request_stop();
            return {};
        };
        const auto parts = ggufParts("bad", {}, items, 0);
        QVERIFY(writeGguf(folder_ / "bad.gguf", parts[0], items, JobContext(stop.get_token())).isCancelled());
        QVERIFY(fs::is_empty(folder_));
    }
};

QS_TEST(GgufWriter)
#include "tst_gguf_writer.moc"
