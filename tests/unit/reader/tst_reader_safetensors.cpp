// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/reader.h"
#include "tests/support/samples.h"
#include "tests/unit/checkpoint/safetensors_file.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

// a: F32 [2, 3] = 1..6; b: F16 [2] = 1, -2 (0x3C00, 0xC000); n: I32 [1].
const std::string kJson =
    R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},)"
    R"("n":{"dtype":"I32","shape":[1],"data_offsets":[28,32]}})";
std::string smallFile() {
    return safetensorsBytes(kJson, bytesOf<float>({1, 2, 3, 4, 5, 6}) + bytesOf<uint16_t>({0x3C00, 0xC000}) +
                                       bytesOf<int32_t>({7}));
}
std::string oneTensor(const std::string& name, const std::vector<float>& values) {
    return safetensorsBytes("{\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" +
                                std::to_string(values.size()) + "],\"data_offsets\":[0," +
                                std::to_string(values.size() * 4) + "]}}",
                            bytesOf(values));
}
void writeIndex(const fs::path& folder, const std::string& weightMap) {
    writeText(folder / "model.safetensors.index.json",
              R"({"metadata":{"total_size":16},"weight_map":)" + weightMap + "}");
}
fs::path shardedFolder(const char* name) {
    const fs::path dir = scratchDir(name);
    writeText(dir / "model-00001-of-00002.safetensors", oneTensor("x", {1, 2, 3}));
    writeText(dir / "model-00002-of-00002.safetensors", oneTensor("y", {4}));
    writeIndex(dir, R"({"y":"model-00002-of-00002.safetensors","x":"model-00001-of-00002.safetensors"})");
    return dir;
}
/// The error's text, or "" when the file opened.
QString openError(const fs::path& path) {
    const auto opened = openCheckpoint(path);
    return opened ? QString() : QString::fromStdString(opened.error().describe());
}

QS_SAMPLE(reader, safetensors, [](const fs::path& folder) {
    writeText(folder / "model.safetensors", smallFile());
    writeText(folder / "config.json", "{\"model_type\": \"none\"}");
    return folder;
})
/// The data is a hole.
QS_SAMPLE(large_reader, safetensors, [](const fs::path& folder) {
    const std::string header = R"({"w":{"dtype":"F32","shape":[4096,8192],"data_offsets":[0,134217728]}})";
    writeText(folder / "w.safetensors", safetensorsBytes(header, {}));
    fs::resize_file(folder / "w.safetensors", 8 + header.size() + 134217728);
    return folder / "w.safetensors";
})

} // namespace

#define VERIFY_MENTIONS(text, ...)                                                                           \
    for (const char* wanted : {__VA_ARGS__})                                                                 \
    QVERIFY2((text).contains(QLatin1String(wanted)), qPrintable(QString("'%1' not in: %2").arg(wanted, text)))

class Reader_safetensors : public QObject {
    Q_OBJECT
private slots:
    void singleFile() {
        const fs::path path = scratchDir("single") / "w.safetensors";
        writeText(path, smallFile());
        const auto opened = openCheckpoint(path);
        QS_VERIFY_OK(opened);
        const Checkpoint& c = **opened;
        QCOMPARE(c.readerId(), std::string("safetensors"));
        QCOMPARE(c.root(), path);
        QCOMPARE(c.displayName(), std::string("w.safetensors"));
        QVERIFY(!c.hasConfig());
        QCOMPARE(c.tensors().size(), size_t(3));
        QCOMPARE(c.totalBytes(), uint64_t(32));
        QCOMPARE(c.totalElements(), uint64_t(9));
        QCOMPARE(c.tensors()[0].file, std::string("w.safetensors"));
        const auto a = c.readMatrix("a");
        QS_VERIFY_OK(a);
        QCOMPARE(a->rows(), size_t(2));
        QCOMPARE(a->cols(), size_t(3));
        QCOMPARE((*a)(1, 0), 4.0f);
        const auto b = c.readMatrix("b");
        QS_VERIFY_OK(b);
        QCOMPARE(b->rows(), size_t(1));
        QCOMPARE((*b)(0, 1), -2.0f);
        QCOMPARE(c.find("zzz"), Checkpoint::npos);
        QCOMPARE(c.readMatrix("zzz").error().code, ErrorCode::NotFound);
        QCOMPARE(c.readMatrix("n").error().code, ErrorCode::Unsupported);
        const auto raw = c.rawBytes(c.find("n"));
        QS_VERIFY_OK(raw);
        QCOMPARE(int((*raw)[0]), 7);
    }

    void rowsIntoAStridedBlock() {
        const fs::path path = scratchDir("rows") / "w.safetensors";
        writeText(path, smallFile());
        const auto c = openCheckpoint(path);
        QS_VERIFY_OK(c);
        const size_t a = (*c)->find("a");
        Matrix wide(2, 5);
        QS_VERIFY_OK((*c)->readRows(a, 0, wide.view().block(0, 2, 1, 3)));
        QCOMPARE(wide(0, 0), 0.0f);
        QCOMPARE(wide(0, 1), 1.0f);
        QCOMPARE(wide(1, 3), 6.0f);
        QCOMPARE(wide(1, 4), 0.0f);
        Matrix row(1, 3);
        QS_VERIFY_OK((*c)->readRows(a, 1, row.view()));
        QCOMPARE(row(0, 2), 6.0f);
        QVERIFY(!(*c)->readRows(a, 2, row.view()));
        QVERIFY(!(*c)->readRows(a, uint64_t(-1), row.view()));
        QVERIFY(!(*c)->readRows(99, 0, row.view()));
        QVERIFY(!(*c)->readRows(a, 0, wide.view()));
        QVERIFY(!(*c)->rawBytes(3));
    }

    void folderWithConfig() {
        const fs::path dir = scratchDir("folder");
        writeText(dir / "model.safetensors", smallFile());
        writeText(dir / "config.json", R"({"model_type":"llama","hidden_size":3})");
        const auto c = openCheckpoint(dir.string() + "/");
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->displayName(), std::string("folder"));
        QVERIFY((*c)->hasConfig());
        QCOMPARE((*c)->config()["hidden_size"].get<int>(), 3);
    }

    void configErrors() {
        const fs::path dir = scratchDir("badconfig");
        writeText(dir / "model.safetensors", smallFile());
        for (const std::string& text :
             {std::string(R"({"a":1)"), std::string("[1]"), std::string(""), std::string("{\"a\":\"\xff\"}"),
              std::string(100000, '['), std::string(R"({"a":1}x)"), std::string(R"({"a":1e999})")}) {
            writeText(dir / "config.json", text);
            const QString message = openError(dir);
            VERIFY_MENTIONS(message, "config.json");
        }
        writeText(dir / "config.json", "{\"a\":\"" + std::string(size_t(17) << 20, 'x') + "\"}");
        VERIFY_MENTIONS(openError(dir), "config.json", "limit");
    }

    void onlyOtherName() {
        const fs::path dir = scratchDir("othername");
        writeText(dir / "weights.safetensors", smallFile());
        QS_VERIFY_OK(openCheckpoint(dir));
        writeText(dir / "extra.safetensors", smallFile());
        VERIFY_MENTIONS(openError(dir), "othername", "model.safetensors", "extra.safetensors",
                        "weights.safetensors");
    }

    void sharded() {
        const fs::path dir = shardedFolder("sharded");
        for (const fs::path& path : {dir, dir / "model.safetensors.index.json"}) {
            const auto c = openCheckpoint(path);
            QS_VERIFY_OK(c);
            QCOMPARE((*c)->tensors().size(), size_t(2));
            QCOMPARE((*c)->displayName(), std::string("sharded"));
            const size_t y = (*c)->find("y");
            QCOMPARE((*c)->tensors()[y].file, std::string("model-00002-of-00002.safetensors"));
            const auto m = (*c)->readMatrix(y);
            QS_VERIFY_OK(m);
            QCOMPARE((*m)(0, 0), 4.0f);
        }
    }

    void symbolicLinksAsInACache() {
        const fs::path dir = scratchDir("links"), blobs = scratchDir("blobs");
        writeText(blobs / "0a1b", smallFile());
        fs::create_symlink(blobs / "0a1b", dir / "model.safetensors");
        QS_VERIFY_OK(openCheckpoint(dir));
        QS_VERIFY_OK(openCheckpoint(blobs / "0a1b")); // no extension: known by its first bytes
    }

    void shardingErrors_data() {
        QTest::addColumn<QString>("map");
        QTest::addColumn<QString>("wanted");
        const QString a = "model-00001-of-00002.safetensors", b = "model-00002-of-00002.safetensors";
        const auto row = [&](const char* name, const QString& map, const QString& wanted) {
            QTest::newRow(name) << map << wanted;
        };
        row("missing shard", R"({"x":"gone.safetensors"})", "gone.safetensors");
        row("parent folder", R"({"x":"../model.safetensors"})", "plain file name");
        row("absolute", R"({"x":"/etc/passwd"})", "plain file name");
        row("backslash", R"({"x":"a\\b"})", "plain file name");
        row("dots", R"({"x":".."})", "plain file name");
        row("empty name", R"({"x":""})", "plain file name");
        row("nul", R"({"x":"a\u0000b"})", "plain file name");
        row("wrong shard", QString(R"({"x":"%1","y":"%1"})").arg(a), "tensor 'y' should be in " + a);
        row("swapped", QString(R"({"x":"%1","y":"%2"})").arg(b, a), "should be in");
        row("no such tensor", QString(R"({"x":"%1","y":"%2","z":"%1"})").arg(a, b), "tensor 'z'");
        row("repeated tensor", QString(R"({"x":"%1","x":"%1"})").arg(a), "tensor 'x' is there twice");
        row("empty map", "{}", "empty");
        row("not a map", "[]", "expected '{'");
        row("shard is no string", R"({"x":1})", "expected a string");
        row("malformed", R"({"x":"a")", "weight_map");
    }
    void shardingErrors() {
        QFETCH(QString, map);
        QFETCH(QString, wanted);
        const fs::path dir = shardedFolder("sharderrors");
        writeIndex(dir, map.toStdString());
        const QString message = openError(dir);
        VERIFY_MENTIONS(message, "model.safetensors.index.json");
        if (qstrcmp(QTest::currentDataTag(), "malformed") != 0)
            QVERIFY2(message.contains(wanted), qPrintable(message));
    }

    void tensorInTwoShards() {
        const fs::path dir = shardedFolder("twoshards");
        writeText(dir / "model-00002-of-00002.safetensors", oneTensor("x", {4}));
        writeIndex(dir, R"({"x":"model-00002-of-00002.safetensors","z":"model-00001-of-00002.safetensors"})");
        VERIFY_MENTIONS(openError(dir), "tensor 'x'", "two shards", "model-00001-of-00002",
                        "model-00002-of-00002");
    }

    void indexWithoutWeightMap() {
        const fs::path dir = shardedFolder("nomap");
        for (const char* text :
             {"{}", R"({"metadata":{}})", R"({"weight_map":{"x":"a"},"weight_map":{"x":"a"}})", "",
              R"({"metadata":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]})"}) {
            writeText(dir / "model.safetensors.index.json", text);
            VERIFY_MENTIONS(openError(dir), "model.safetensors.index.json");
        }
    }

    void damagedShardIsNamed() {
        const fs::path dir = shardedFolder("damaged");
        fs::resize_file(dir / "model-00001-of-00002.safetensors", 70);
        VERIFY_MENTIONS(openError(dir), "model-00001-of-00002.safetensors");
    }

    void shrinkingAfterOpenIsAnError() {
        const fs::path path = scratchDir("shrink") / "w.safetensors";
        writeText(path, smallFile());
        const auto c = openCheckpoint(path);
        QS_VERIFY_OK(c);
        fs::resize_file(path, 40);
        const auto read = (*c)->readMatrix("a");
        QVERIFY(!read);
        VERIFY_MENTIONS(QString::fromStdString(read.error().describe()), "w.safetensors", "shrank");
        QVERIFY(!(*c)->rawBytes(0));
    }

    void emptyTensorsAndScalars() {
        const std::string json = R"({"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},)"
                                 R"("s":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},)"
                                 R"("t":{"dtype":"F64","shape":[1,2,1],"data_offsets":[2,18]}})";
        const fs::path path = scratchDir("empty") / "w.safetensors";
        writeText(path, safetensorsBytes(json, bytesOf<uint16_t>({0x3F80}) + bytesOf<double>({0.5, -0.25})));
        const auto c = openCheckpoint(path);
        QS_VERIFY_OK(c);
        const auto e = (*c)->readMatrix("e"), s = (*c)->readMatrix("s"), t = (*c)->readMatrix("t");
        QS_VERIFY_OK(e);
        QCOMPARE(e->rows(), size_t(0));
        QCOMPARE(e->cols(), size_t(4));
        QS_VERIFY_OK(s);
        QCOMPARE((*s)(0, 0), 1.0f); // 0x3F80 is 1
        QS_VERIFY_OK(t);            // at an odd offset: 2 mod 8
        QCOMPARE(t->rows(), size_t(2));
        QCOMPARE((*t)(1, 0), -0.25f);
    }

    void noTensorsIsAnError() {
        const fs::path path = scratchDir("none") / "w.safetensors";
        writeText(path, safetensorsBytes("{}", ""));
        VERIFY_MENTIONS(openError(path), "w.safetensors", "no tensors");
    }

    // First and last values were read from the files with Python's struct module.
    void realModels_data() {
        QTest::addColumn<QString>("folder");
        QTest::addColumn<int>("tensors");
        QTest::addColumn<int>("elements");
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("rows");
        QTest::addColumn<float>("first");
        QTest::addColumn<float>("last");
        QTest::newRow("260K") << "stories260K" << 47 << 260032 << "model.embed_tokens.weight" << 512
                              << -0.29474878311157227f << -0.424032598733902f;
        QTest::newRow("char") << "stories940K-char" << 47 << 936448 << "model.norm.weight" << 1
                              << 1.4417486190795898f << 1.4685293436050415f;
        QTest::newRow("w256") << "stories940K-w256" << 48 << 11853056 << "lm_head.weight" << 105
                              << 0.02178955078125f << 0.16650390625f;
        QTest::newRow("prose") << "prose-6m" << 56 << 5770496 << "model.embed_tokens.weight" << 4096
                               << 0.2049560546875f << -0.075927734375f;
        QTest::newRow("gpt2") << "gpt2-small-partial" << 42 << 9478656 << "h.0.attn.c_attn.weight" << 768
                              << -0.473876953125f << 0.0198516845703125f;
    }
    void realModels() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, folder);
        QFETCH(int, tensors);
        QFETCH(int, elements);
        QFETCH(QString, name);
        QFETCH(int, rows);
        QFETCH(float, first);
        QFETCH(float, last);
        const auto c = openCheckpoint(shared / "data/models" / folder.toStdString());
        QS_VERIFY_OK(c);
        QCOMPARE(int((*c)->tensors().size()), tensors);
        QCOMPARE(int((*c)->totalElements()), elements);
        QCOMPARE((*c)->hasConfig(), folder != "gpt2-small-partial");
        const auto m = (*c)->readMatrix(name.toStdString());
        QS_VERIFY_OK(m);
        QCOMPARE(int(m->rows()), rows);
        QCOMPARE(m->data()[0], first);
        QCOMPARE(m->data()[m->size() - 1], last);
    }

    void descriptor() {
        QVERIFY(!readers().empty());
        const ReaderDescriptor& d = *readers()[0];
        QCOMPARE(d.id, std::string("safetensors"));
        QVERIFY(!d.label.empty() && !d.summary.empty());
        QCOMPARE(d.extensions, std::vector<std::string>{".safetensors"});
        QVERIFY(!d.accepts(scratchDir("nothing")));
        QVERIFY(!d.accepts(scratchDir("nothing") / "absent.safetensors"));
    }
};

QS_TEST(Reader_safetensors)
#include "tst_reader_safetensors.moc"
