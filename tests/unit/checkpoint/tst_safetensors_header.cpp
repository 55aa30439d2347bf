// SPDX-License-Identifier: Apache-2.0
// Files put together byte by byte: one good, and one for every rule that a file can break.
#include "core/checkpoint/safetensors.h"

#include "tests/support/qs_test.h"
#include "tests/unit/checkpoint/safetensors_file.h"

#include <ctime>

using namespace qs;
using namespace qs::test;

namespace {

Result<SafetensorsHeader> parse(const std::string& file) {
    return parseSafetensorsHeader(asBytes(file), "f.st");
}

/// {"t": <body>} with `dataBytes` of data.
std::string one(const std::string& body, size_t dataBytes) {
    return safetensorsBytes("{\"t\":" + body + "}", std::string(dataBytes, '\0'));
}
std::string tensor(const char* dtype, const char* shape, const char* offsets) {
    return std::string("{\"dtype\":\"") + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
           "}";
}

} // namespace

class TestSafetensorsHeader : public QObject {
    Q_OBJECT
private slots:
    void goodFile() {
        // Keys in another order than the data; an escaped name; padding.
        const std::string json = R"({"b":{"shape":[2,3],"data_offsets":[4,10],"dtype":"I8"},)"
                                 R"("__metadata__":{"format":"pt","k":"\u00e9"},)"
                                 R"("a\u002fx" : { "dtype":"F32", "shape":[], "data_offsets":[0,4] }})";
        const std::string file = safetensorsBytes(json + "   ", std::string(10, '\0'));
        const auto h = parse(file);
        QS_VERIFY_OK(h);
        QCOMPARE(h->dataOffset, uint64_t(8 + json.size() + 3));
        QCOMPARE(h->entries.size(), size_t(2));
        QCOMPARE(h->entries[0].name, std::string("a/x")); // in order of the data
        QCOMPARE(h->entries[0].dtype, DType::F32);
        QVERIFY(h->entries[0].shape.empty());
        QCOMPARE(h->entries[1].name, std::string("b"));
        QCOMPARE(h->entries[1].shape, (std::vector<uint64_t>{2, 3}));
        QCOMPARE(h->entries[1].begin, uint64_t(4));
        QCOMPARE(h->entries[1].end, uint64_t(10));
        QCOMPARE(h->metadata.at("k"), std::string("\xC3\xA9"));
    }

    void legalOddities() {
        QVERIFY(parse(safetensorsBytes("{}", "")).has_value());
        QVERIFY(parse(safetensorsBytes("{\"__metadata__\":{}}", "")).has_value());
        QVERIFY(parse(one(tensor("F32", "[0,9223372036854775807]", "[0,0]"), 0)).has_value());
        QVERIFY(parse(one(tensor("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"), 1)).has_value());
        const std::string empties = "{\"e\":" + tensor("F32", "[0]", "[4,4]") +
                                    ",\"f\":" + tensor("F32", "[1]", "[0,4]") +
                                    ",\"g\":" + tensor("F32", "[0]", "[0,0]") + "}";
        QVERIFY(parse(safetensorsBytes(empties, std::string(4, '\0'))).has_value());
    }

    void errors_data() {
        QTest::addColumn<QByteArray>("file");
        QTest::addColumn<QStringList>("wanted");
        const auto row = [](const char* name, const std::string& file, const QStringList& wanted) {
            QTest::newRow(name) << QByteArray(file.data(), qsizetype(file.size())) << wanted;
        };
        const std::string good = tensor("F32", "[2]", "[0,8]");
        const std::string file = one(good, 8);
        row("empty file", "", {"header length", "this one has 0"});
        row("seven bytes", "1234567", {"header length", "this one has 7"});
        row("only the length", file.substr(0, 8), {"header length", "truncated"});
        row("cut in the header", file.substr(0, 30), {"header length", "truncated"});
        row("cut in the data", file.substr(0, file.size() - 1),
            {"tensor 't'", "data_offsets", "8", "7 bytes"});
        row("tail", file + "x", {"data section", "1 bytes", "8"});
        row("length 0", safetensorsBytes("{}", "", 0), {"header length", "0"});
        row("length 1", safetensorsBytes("{", ""), {"header length", "1"});
        row("length above the cap", safetensorsBytes("{}", "", 100'000'001), {"header length", "100000001"});
        row("length 2^64 - 8", safetensorsBytes("{}", "", -8 & INT64_MAX), {"header length"});
        row("pickle", "\x80\x02}q\x01(X\x04" + std::string(50, 'x'),
            {"header length", "not a safetensors file?"});
        row("not an object", safetensorsBytes("[]", ""), {"header", "'{'"});
        row("space first", safetensorsBytes(" {}", ""), {"header", "'{'"});
        row("text after", safetensorsBytes("{}x", ""), {"header", "spaces"});
        row("newline after", safetensorsBytes("{}\n", ""), {"header", "spaces"});
        row("zero after", safetensorsBytes(std::string("{}\0", 3), ""), {"header", "spaces"});
        row("bad UTF-8", safetensorsBytes("{\"\xff\":" + good + "}", std::string(8, '\0')),
            {"header", "UTF-8", "byte 2"});
        row("cut JSON", safetensorsBytes("{\"t\":" + good, std::string(8, '\0')), {"header", "'}'"});
        row("trailing comma", safetensorsBytes("{\"t\":" + good + ",}", std::string(8, '\0')),
            {"header", "string"});
        row("duplicate name",
            safetensorsBytes("{\"t\":" + good + ",\"t\":" + good + "}", std::string(8, '\0')),
            {"tensor 't'", "twice"});
        row("duplicate by escape",
            safetensorsBytes("{\"t\":" + good + ",\"\\u0074\":" + good + "}", std::string(8, '\0')),
            {"tensor 't'", "twice"});
        row("NUL in name", safetensorsBytes("{\"a\\u0000\":" + good + "}", std::string(8, '\0')),
            {"tensor name", "NUL"});
        row("long name",
            safetensorsBytes("{\"" + std::string(1025, 'n') + "\":" + good + "}", std::string(8, '\0')),
            {"tensor name", "1025", "1024"});
        row("lone surrogate", safetensorsBytes("{\"\\ud800\":" + good + "}", ""), {"surrogate"});
        row("metadata twice", safetensorsBytes(R"({"__metadata__":{},"__metadata__":{}})", ""),
            {"__metadata__", "twice"});
        row("metadata key twice", safetensorsBytes(R"({"__metadata__":{"a":"1","a":"2"}})", ""),
            {"__metadata__", "'a'", "twice"});
        row("metadata not text", safetensorsBytes(R"({"__metadata__":{"a":1}})", ""),
            {"__metadata__", "string"});
        row("metadata no object", safetensorsBytes(R"({"__metadata__":[]})", ""), {"__metadata__", "'{'"});
        row("tensor no object", one("3", 0), {"tensor 't'", "'{'"});
        row("tensor null", one("null", 0), {"tensor 't'", "'{'"});
        row("no dtype", one(R"({"shape":[2],"data_offsets":[0,8]})", 8),
            {"tensor 't'", "'dtype' is missing"});
        row("no shape", one(R"({"dtype":"F32","data_offsets":[0,8]})", 8),
            {"tensor 't'", "'shape' is missing"});
        row("no offsets", one(R"({"dtype":"F32","shape":[2]})", 8),
            {"tensor 't'", "'data_offsets' is missing"});
        row("dtype twice", one(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8),
            {"tensor 't'", "dtype", "twice"});
        row("shape twice", one(R"({"shape":[2],"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8),
            {"tensor 't'", "shape", "twice"});
        row("unknown field", one(R"({"dtype":"F32","strides":[1],"shape":[2],"data_offsets":[0,8]})", 8),
            {"tensor 't'", "strides"});
        row("unknown dtype", one(tensor("F33", "[2]", "[0,8]"), 8), {"tensor 't'", "dtype", "'F33'"});
        row("unread dtype", one(tensor("F6_E2M3", "[8]", "[0,6]"), 6), {"tensor 't'", "dtype", "'F6_E2M3'"});
        row("dtype a number", one(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})", 8),
            {"tensor 't'", "dtype", "string"});
        row("rank 17", one(tensor("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"), 1),
            {"tensor 't'", "shape", "16"});
        row("negative dim", one(tensor("F32", "[-2]", "[0,8]"), 8), {"tensor 't'", "shape", "'-'"});
        row("fraction dim", one(tensor("F32", "[2.0]", "[0,8]"), 8), {"tensor 't'", "shape", "fraction"});
        row("text dim", one(tensor("F32", "[\"2\"]", "[0,8]"), 8), {"tensor 't'", "shape", "integer"});
        row("huge dim", one(tensor("F32", "[9223372036854775809]", "[0,8]"), 8),
            {"tensor 't'", "shape", "2^63"});
        row("product overflow", one(tensor("F32", "[4294967296,4294967296]", "[0,8]"), 8),
            {"tensor 't'", "shape", "overflows", "4294967296"});
        row("product wraps to 8", one(tensor("F32", "[4611686018427387906]", "[0,8]"), 8),
            {"tensor 't'", "shape", "overflows"});
        row("deep", one(tensor("F32", ("[" + std::string(100000, '[')).c_str(), "[0,8]"), 8),
            {"tensor 't'", "shape", "'['"});
        row("wrong product", one(tensor("F32", "[3]", "[0,8]"), 8),
            {"tensor 't'", "data_offsets", "8 bytes", "F32 [3]", "12"});
        row("wrong width", one(tensor("F16", "[2]", "[0,8]"), 8),
            {"tensor 't'", "data_offsets", "F16 [2]", "4"});
        row("one offset", one(tensor("F32", "[2]", "[0]"), 8), {"tensor 't'", "data_offsets", "','"});
        row("three offsets", one(tensor("F32", "[2]", "[0,8,8]"), 8), {"tensor 't'", "data_offsets", "']'"});
        row("offsets reversed", one(tensor("F32", "[2]", "[8,0]"), 8),
            {"tensor 't'", "data_offsets", "8", "after"});
        row("offset overflow", one(tensor("F32", "[2]", "[0,18446744073709551624]"), 8),
            {"tensor 't'", "data_offsets", "2^63"});
        row("offset past the end", one(tensor("F32", "[2]", "[8,16]"), 8),
            {"tensor 't'", "data_offsets", "16", "8 bytes"});
        row("gap at the start", one(tensor("F32", "[1]", "[4,8]"), 8), {"tensor 't'", "data_offsets", "gap"});
        const auto two = [](const char* a, const char* b, size_t n) {
            return safetensorsBytes("{\"a\":" + tensor("F32", "[2]", a) +
                                        ",\"b\":" + tensor("F32", "[2]", b) + "}",
                                    std::string(n, '\0'));
        };
        row("gap", two("[0,8]", "[12,20]", 20), {"tensor 'b'", "data_offsets", "gap", "12", "8"});
        row("overlap", two("[0,8]", "[4,12]", 12), {"tensor 'b'", "data_offsets", "overlaps", "4", "8"});
        row("same bytes twice", two("[0,8]", "[0,8]", 8), {"data_offsets", "overlaps"});
    }
    void errors() {
        QFETCH(QByteArray, file);
        QFETCH(QStringList, wanted);
        const auto r = parse(file.toStdString());
        QVERIFY(!r);
        const QString message = QString::fromStdString(r.error().describe());
        QVERIFY2(message.startsWith("f.st: "), qPrintable(message));
        for (const QString& w : wanted)
            QVERIFY2(message.contains(w), qPrintable(QString("'%1' not in: %2").arg(w, message.left(500))));
        const bool known = qstrcmp(QTest::currentDataTag(), "unread dtype") == 0;
        QCOMPARE(r.error().code, known ? ErrorCode::Unsupported : ErrorCode::Corrupt);
    }

    // Every prefix of a file, and every single byte changed: an error or a header that still obeys the rules,
    // never a crash.
    void everyTruncationAndFlip() {
        const std::string good = safetensorsBytes("{\"a\":" + tensor("F32", "[2]", "[0,8]") +
                                                      ",\"b\":" + tensor("BF16", "[1,2]", "[8,12]") + "}",
                                                  std::string(12, '\0'));
        QS_VERIFY_OK(parse(good));
        for (size_t n = 0; n < good.size(); ++n)
            QVERIFY(!parse(good.substr(0, n)));
        for (size_t i = 0; i < good.size() - 12; ++i)
            for (int bit = 0; bit < 8; ++bit) {
                std::string changed = good;
                changed[i] = char(changed[i] ^ (1 << bit));
                const auto r = parse(changed);
                if (!r) continue;
                QCOMPARE(r->entries.back().end, uint64_t(12));
            }
    }

    // The format's own tool wrote these; Python's json module counted the tensors.
    void realFileHeader() {
        QS_NEED_SHARED(shared);
        const auto map = MappedFile::open(shared / "data/models/gpt2-small-partial/model.safetensors");
        QS_VERIFY_OK(map);
        const auto h = parseSafetensorsHeader((*map)->bytes(), "gpt2");
        QS_VERIFY_OK(h);
        QCOMPARE(h->entries.size(), size_t(42));
        QCOMPARE(h->dataOffset, uint64_t(3968));
        QCOMPARE(h->metadata.at("format"), std::string("pt"));
    }

    void manyTensors() {
        std::string json = "{\"__metadata__\":{\"format\":\"pt\"}";
        const size_t count = 100000;
        json.reserve(count * 130);
        for (size_t i = 0; i < count; ++i)
            json += ",\"model.layers." + std::to_string(i / 1000) + ".mlp.experts." +
                    std::to_string(i % 1000) +
                    ".down_proj.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" +
                    std::to_string(i) + "," + std::to_string(i + 1) + "]}";
        const std::string file = safetensorsBytes(json + "}", std::string(count, '\0'));
        const std::clock_t start = std::clock(); // processor time: the machine may be busy
        const auto h = parse(file);
        const double ms = double(std::clock() - start) * 1e3 / CLOCKS_PER_SEC;
        QS_VERIFY_OK(h);
        QCOMPARE(h->entries.size(), count);
        QCOMPARE(h->entries[99999].name, std::string("model.layers.99.mlp.experts.999.down_proj.weight"));
        qInfo("100000 tensors, %.1f MB of JSON: %.0f ms", double(json.size()) / 1e6, ms);
        QVERIFY2(ms < 3000, "slower than linear?"); // generous: sanitizers
    }
};

QS_TEST(TestSafetensorsHeader)
#include "tst_safetensors_header.moc"
