// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/safetensors.h"
#include "tests/support/qs_test.h"
#include "tests/unit/checkpoint/safetensors_file.h"

#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

SafetensorsItem item(const std::string& name, DType type, std::vector<uint64_t> shape, char fill) {
    return {name, type, std::move(shape), [fill](std::span<std::byte> out) -> Result<void> {
                std::fill(out.begin(), out.end(), std::byte(fill));
                return {};
            }};
}
size_t filesIn(const fs::path& folder) {
    return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

} // namespace

class TestSafetensorsWriter : public QObject {
    Q_OBJECT
private slots:
    void layoutByHand() {
        const fs::path path = scratchDir("layout") / "w.safetensors";
        std::vector<SafetensorsItem> items;
        items.push_back(item("b", DType::F16, {2}, 'b'));
        items.push_back(item("z", DType::F32, {1, 1}, 'z'));
        items.push_back(item("a", DType::F16, {}, 'a'));
        items.push_back(item("q\"", DType::U8, {3}, 'q'));
        const uint64_t predicted = safetensorsFileSize(items, {{"k", "v"}});
        const auto written = writeSafetensors(path, std::move(items), {{"k", "v"}});
        QS_VERIFY_OK(written);
        // Wide first, then by name: z (4 bytes), a (2), b (4), q (3).
        std::string json = R"({"__metadata__":{"format":"pt","k":"v"},)"
                           R"("z":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
                           R"("a":{"dtype":"F16","shape":[],"data_offsets":[4,6]},)"
                           R"("b":{"dtype":"F16","shape":[2],"data_offsets":[6,10]},)"
                           "\"q\\\"\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[10,13]}}";
        while (json.size() % 8)
            json += ' ';
        const std::string expected = safetensorsBytes(json, "zzzzaabbbbqqq");
        QCOMPARE(readText(path), expected);
        QCOMPARE(*written, uint64_t(expected.size()));
        QCOMPARE(predicted, uint64_t(expected.size()));
        QCOMPARE(filesIn(path.parent_path()), size_t(1));
    }

    void ownFormatKeyIsKept() {
        const fs::path path = scratchDir("format") / "w.safetensors";
        QS_VERIFY_OK(writeSafetensors(path, {}, {{"format", "np"}}));
        QVERIFY(readText(path).find(R"({"__metadata__":{"format":"np"}})") == 8);
    }

    // Files written by the format's own library (compact JSON): the same tensors through our writer give the
    // same bytes.
    void sameBytesAsTheReferenceWriter() {
        QS_NEED_SHARED(shared);
        for (const char* name : {"stories260K", "stories940K-char", "prose-6m"}) {
            const fs::path original = shared / "data/models" / name / "model.safetensors";
            const auto c = openCheckpoint(original);
            QS_VERIFY_OK(c);
            std::vector<SafetensorsItem> items;
            for (size_t i = 0; i < (*c)->tensors().size(); ++i) {
                const TensorInfo& t = (*c)->tensors()[i];
                items.push_back({t.name, t.dtype, t.shape, [&, i](std::span<std::byte> out) -> Result<void> {
                                     QS_TRY(const auto bytes, (*c)->rawBytes(i));
                                     std::memcpy(out.data(), bytes.data(), out.size());
                                     return {};
                                 }});
            }
            const fs::path copy = scratchDir("copy") / "model.safetensors";
            const uint64_t predicted = safetensorsFileSize(items, {});
            const auto written = writeSafetensors(copy, std::move(items), {});
            QS_VERIFY_OK(written);
            QCOMPARE(*written, uint64_t(fs::file_size(original)));
            QCOMPARE(predicted, *written);
            QVERIFY2(readText(copy) == readText(original), name);
        }
    }

    void failedFillLeavesTheOldFile() {
        const fs::path path = scratchDir("fill") / "w.safetensors";
        writeText(path, "old");
        std::vector<SafetensorsItem> items;
        items.push_back(item("a", DType::F32, {4}, 'a'));
        items.push_back(
            {"b", DType::F32, {4}, [](std::span<std::byte>) -> Result<void> { return Error::cancelled(); }});
        const auto r = writeSafetensors(path, items, {});
        QVERIFY(r.isCancelled());
        QCOMPARE(readText(path), std::string("old"));
        QCOMPARE(filesIn(path.parent_path()), size_t(1));
        items[1].fill = [](std::span<std::byte>) -> Result<void> { return Error::io("gone", "source"); };
        const auto failed = writeSafetensors(path, items, {});
        QVERIFY(!failed);
        QVERIFY(failed.error().describe().find("w.safetensors: tensor 'b': source: gone") !=
                std::string::npos);
    }

    void refusals() {
        const fs::path path = scratchDir("refuse") / "w.safetensors";
        const auto message = [&](SafetensorsItem a, Result<void>* out = nullptr) {
            std::vector<SafetensorsItem> items;
            items.push_back(std::move(a));
            const auto r = writeSafetensors(path, std::move(items), {});
            if (out) *out = {};
            return r ? QString() : QString::fromStdString(r.error().describe());
        };
        QVERIFY(message(item("__metadata__", DType::U8, {1}, 'x')).contains("reserved"));
        QVERIFY(message(item("\xff", DType::U8, {1}, 'x')).contains("UTF-8"));
        QVERIFY(message(item(std::string("a\0b", 3), DType::U8, {1}, 'x')).contains("NUL"));
        QVERIFY(message(item(std::string(1025, 'a'), DType::U8, {1}, 'x')).contains("1024"));
        QVERIFY(message(item("a", DType::U8, std::vector<uint64_t>(17, 1), 'x')).contains("16"));
        QVERIFY(message(item("a", DType::F32, {uint64_t(1) << 62}, 'x')).contains("too large"));
        std::vector<SafetensorsItem> twice;
        twice.push_back(item("same", DType::U8, {1}, 'x'));
        twice.push_back(item("same", DType::F32, {1}, 'x'));
        const auto r = writeSafetensors(path, std::move(twice), {});
        QVERIFY(!r);
        QVERIFY(r.error().describe().find("'same'") != std::string::npos);
        QVERIFY(!writeSafetensors(path, {}, {{"k", "\xff"}}));
        QVERIFY(!writeSafetensors(path.parent_path() / "absent" / "w.safetensors", {}, {}));
        QVERIFY(!fs::exists(path));
    }

    void readBackAfterWriting() {
        const fs::path path = scratchDir("back") / "w.safetensors";
        std::vector<SafetensorsItem> items;
        items.push_back(item("\xC3\xA9 \n\\", DType::BF16, {3, 5}, 1));
        items.push_back(item("none", DType::I64, {0, 7}, 1));
        items.push_back(item("bool", DType::Bool, {9}, 1));
        items.push_back(item("f8", DType::F8E4M3, {2, 2}, 1));
        QS_VERIFY_OK(writeSafetensors(path, std::move(items), {{"a", "\"\t"}}));
        const auto map = MappedFile::open(path);
        QS_VERIFY_OK(map);
        const auto h = parseSafetensorsHeader((*map)->bytes(), "w");
        QS_VERIFY_OK(h);
        QCOMPARE(h->dataOffset % 8, uint64_t(0));
        QCOMPARE(h->entries.size(), size_t(4));
        QCOMPARE(h->entries[0].name, std::string("none"));
        QCOMPARE(h->entries[1].name, std::string("\xC3\xA9 \n\\"));
        QCOMPARE(h->metadata.at("a"), std::string("\"\t"));
    }
};

QS_TEST(TestSafetensorsWriter)
#include "tst_safetensors_writer.moc"
