// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf.h"
#include "tests/support/gguf_file.h"
#include "tests/support/qs_test.h"

#include <chrono>

using namespace qs;
using namespace qs::test;

namespace {

std::span<const std::byte> view(const std::string& s) {
    return std::as_bytes(std::span(s));
}

/// Two tensors and one key of every kind.
GgufBuilder good() {
    GgufBuilder b;
    b.text("general.architecture", "llama")
        .u32("n", 7)
        .f32("eps", 1e-5f)
        .flag("yes", true)
        .texts("words", {"a", "", "long word"})
        .array<float>("scores", kGgufF32, {0.5f, -1})
        .array<int32_t>("kinds", kGgufI32, {1, -2, 3})
        .raw("wide", 10, rawOf(uint64_t(1) << 40))
        .raw("negative", 11, rawOf(int64_t(-5)))
        .raw("half", 12, rawOf(0.5));
    b.floats("a", {2, 3}, {1, 2, 3, 4, 5, 6});
    b.tensor("b", {2, 64}, kGgmlQ8_0, std::string(4 * 34, '\1'));
    return b;
}

QString errorOf(const std::string& bytes) {
    const auto h = parseGguf(view(bytes), "x.gguf");
    return h ? QString() : QString::fromStdString(h.error().describe());
}

} // namespace

#define VERIFY_MENTIONS(text, ...)                                                                           \
    for (const char* wanted : {__VA_ARGS__})                                                                 \
    QVERIFY2((text).contains(QLatin1String(wanted)), qPrintable(QString("'%1' not in: %2").arg(wanted, text)))

class GgufHeaderTest : public QObject {
    Q_OBJECT
private slots:
    void readsEveryKind() {
        for (const uint32_t version : {2u, 3u}) {
            GgufBuilder b = good();
            b.version = version;
            const std::string bytes = b.bytes();
            const auto h = parseGguf(view(bytes), "x.gguf");
            QS_VERIFY_OK(h);
            QCOMPARE(h->version, version);
            const GgufMetadata& m = h->metadata;
            QCOMPARE(m.entries().size(), size_t(10));
            QCOMPARE(*m.text("general.architecture"), std::string_view("llama"));
            QCOMPARE(*m.size("n", 100), uint64_t(7));
            QCOMPARE(*m.number("eps"), 1e-5); // what was meant, not the float32 next to it
            QCOMPARE(*m.booleanOr("yes", false), true);
            QCOMPARE(*m.texts("words"), (std::vector<std::string>{"a", "", "long word"}));
            QCOMPARE(*m.floats("scores"), (std::vector<float>{0.5f, -1}));
            QCOMPARE(*m.integers("kinds"), (std::vector<int32_t>{1, -2, 3}));
            QCOMPARE(*m.size("wide", ~uint64_t(0)), uint64_t(1) << 40);
            QCOMPARE(*m.number("negative"), -5.0);
            QCOMPARE(*m.number("half"), 0.5);
            QCOMPARE(h->tensors.size(), size_t(2));
            QCOMPARE(h->tensors[0].shape, (std::vector<uint64_t>{2, 3}));
            QCOMPARE(h->tensors[0].offset, h->dataOffset);
            QCOMPARE(h->tensors[1].bytes, uint64_t(4 * 34));
            QCOMPARE(h->tensors[1].type->name, std::string_view("Q8_0"));
            float first = 0;
            std::memcpy(&first, bytes.data() + h->tensors[0].offset, 4);
            QCOMPARE(first, 1.0f);
        }
    }

    void typedAccessNamesTheKey() {
        const std::string bytes = good().bytes();
        const auto h = parseGguf(view(bytes), "x.gguf");
        QS_VERIFY_OK(h);
        const GgufMetadata& m = h->metadata;
        const auto check = [](const auto& result, ErrorCode code, const char* key) {
            return !result && result.error().code == code &&
                   result.error().describe().find(std::string("x.gguf: metadata '") + key + "'") == 0;
        };
        QVERIFY(check(m.size("absent", 9), ErrorCode::NotFound, "absent"));
        QVERIFY(check(m.size("n", 6), ErrorCode::Corrupt, "n"));
        QVERIFY(check(m.size("eps", 6), ErrorCode::Corrupt, "eps"));
        QVERIFY(check(m.size("negative", 6), ErrorCode::Corrupt, "negative"));
        QVERIFY(check(m.size("words", 6), ErrorCode::Corrupt, "words"));
        QVERIFY(check(m.number("general.architecture"), ErrorCode::Corrupt, "general.architecture"));
        QVERIFY(check(m.booleanOr("n", true), ErrorCode::Corrupt, "n"));
        QVERIFY(check(m.text("n"), ErrorCode::Corrupt, "n"));
        QVERIFY(check(m.texts("scores"), ErrorCode::Corrupt, "scores"));
        QVERIFY(check(m.texts("n"), ErrorCode::Corrupt, "n"));
        QVERIFY(check(m.floats("kinds"), ErrorCode::Corrupt, "kinds"));
        QVERIFY(check(m.integers("words"), ErrorCode::Corrupt, "words"));
        QVERIFY(check(m.octets("kinds"), ErrorCode::Corrupt, "kinds"));
        QCOMPARE(*m.sizeOr("absent", 9, 4), uint64_t(4));
        QVERIFY(m.texts("absent")->empty());
    }

    void truncationAnywhereIsAnError() {
        const std::string bytes = good().bytes();
        for (size_t n = 0; n < bytes.size(); ++n) {
            const auto h = parseGguf(view(bytes).first(n), "x.gguf");
            QVERIFY2(!h, qPrintable(QString("%1 bytes of %2").arg(n).arg(bytes.size())));
            QVERIFY(h.error().describe().rfind("x.gguf", 0) == 0);
        }
    }

    void damaged_data() {
        QTest::addColumn<QByteArray>("file");
        QTest::addColumn<QStringList>("mentions");
        const auto row = [](const char* name, const GgufBuilder& b, QStringList mentions) {
            QTest::newRow(name) << QByteArray::fromStdString(b.bytes())
                                << (QStringList("x.gguf") << mentions);
        };
        GgufBuilder b;
        const auto fresh = [&b]() -> GgufBuilder& { return b = good(); };
        fresh().magic = "GGML";
        row("magic", b, {"GGUF"});
        fresh().version = 1;
        row("version 1", b, {"version 1", "2, 3"});
        fresh().version = 4;
        row("version 4", b, {"version 4"});
        fresh().version = 0x03000000;
        row("big endian", b, {"big-endian"});
        fresh().pairCount = uint64_t(1) << 60;
        row("huge key count", b, {"keys do not fit"});
        fresh().tensorCount = uint64_t(1) << 60;
        row("huge tensor count", b, {"tensors do not fit"});
        fresh().tensorCount = 3;
        row("one tensor too many", b, {"tensor 3 of 3"});
        fresh().u32("n", 8);
        row("duplicate key", b, {"'n'", "twice"});
        fresh().floats("a", {1}, {1});
        row("duplicate tensor", b, {"tensor 'a'", "twice"});
        fresh().u32("", 8);
        row("empty key", b, {"the key", "1 to 65535"});
        fresh().u32("k\xff", 8);
        row("key not UTF-8", b, {"UTF-8"});
        fresh().u32(std::string(70000, 'k'), 8);
        row("long key", b, {"65535", "70000"});
        fresh().raw("t", 13, rawOf(uint32_t(0)));
        row("unknown value type", b, {"'t'", "value type", "13"});
        fresh().raw("t", kGgufBool, rawOf(uint8_t(2)));
        row("boolean 2", b, {"'t'", "boolean", "got 2"});
        fresh().raw("t", kGgufString, rawOf(~uint64_t(0)) + "abc");
        row("huge string", b, {"'t'", "string"});
        fresh().raw("t", kGgufArray, rawOf(uint32_t(kGgufF32)) + rawOf(~uint64_t(0)));
        row("huge array", b, {"'t'", "elements of f32 do not fit"});
        fresh().raw("t", kGgufArray, rawOf(uint32_t(kGgufString)) + rawOf(uint64_t(1000)));
        row("huge string array", b, {"'t'"});
        fresh().raw("t", kGgufArray, rawOf(uint32_t(kGgufArray)) + rawOf(uint64_t(0)));
        row("nested array", b, {"'t'", "arrays of arrays"});
        fresh().raw("t", kGgufArray, rawOf(uint32_t(kGgufBool)) + rawOf(uint64_t(2)) + std::string("\1\3"));
        row("boolean array", b, {"'t'", "boolean", "got 3"});
        for (const uint32_t alignment : {0u, 4u, 24u, 33u, 1u << 21}) {
            fresh().u32("general.alignment", alignment);
            row(qPrintable(QString("alignment %1").arg(alignment)), b,
                {"general.alignment", QString::number(alignment)});
        }
        fresh().text("general.alignment", "32");
        row("alignment of text", b, {"general.alignment", "integer"});
        fresh().tensors[0].name.assign(256, 'x');
        row("long name", b, {"tensor 1 of 2", "255", "256"});
        fresh().tensors[0].name = std::string("a\0b", 3);
        row("NUL in a name", b, {"tensor 1 of 2", "NUL"});
        fresh().tensors[0].dims = {1, 1, 1, 1, 6};
        row("five dimensions", b, {"tensor 'a'", "at most 4", "has 5"});
        fresh().tensors[0].dims = {uint64_t(1) << 40, uint64_t(1) << 40};
        row("product overflows", b, {"tensor 'a'", "overflows"});
        fresh().tensors[0].dims = {uint64_t(1) << 40, uint64_t(1) << 40, 0};
        row("product overflows behind a zero", b, {"tensor 'a'", "overflows"});
        fresh().tensors[0].dims = {uint64_t(1) << 62, 1};
        row("bytes overflow", b, {"tensor 'a'", "overflows"});
        fresh().tensors[1].dims = {48, 2};
        row("half a block", b, {"tensor 'b'", "48", "32", "Q8_0"});
        fresh().tensors[0].type = 4;
        row("removed type", b, {"tensor 'a'", "type 4", "removed"});
        fresh().tensors[0].type = 99;
        row("unknown type", b, {"tensor 'a'", "type 99"});
        fresh().tensors[1].offset = 40;
        row("misaligned", b, {"tensor 'b'", "40", "32"});
        fresh().tensors[1].offset = ~uint64_t(31);
        row("offset beyond", b, {"tensor 'b'", "do not lie in"});
        fresh().tensors[1].offset = 64;
        row("too long", b, {"tensor 'b'", "136 bytes at offset 64"});
        fresh().tensors[1].offset = 0;
        row("overlap", b, {"overlap", "'a'", "'b'"});
    }
    void damaged() {
        QFETCH(QByteArray, file);
        QFETCH(QStringList, mentions);
        const QString error = errorOf(file.toStdString());
        for (const QString& m : mentions)
            QVERIFY2(error.contains(m), qPrintable(QString("'%1' not in: %2").arg(m, error)));
    }

    void otherAlignment() {
        GgufBuilder b = good();
        b.alignment = 64;
        b.u32("general.alignment", 64);
        const std::string bytes = b.bytes();
        const auto h = parseGguf(view(bytes), "x.gguf");
        QS_VERIFY_OK(h);
        QCOMPARE(h->dataOffset % 64, uint64_t(0));
        QCOMPARE(h->tensors[1].offset - h->dataOffset, uint64_t(64));
    }

    void gapsScalarsAndEmptyTensorsAreFine() {
        GgufBuilder b;
        b.floats("scalar", {}, {2}).floats("empty", {0, 8}, {}).floats("last", {1}, {3});
        b.tensors[2].offset = 32;
        const std::string bytes = b.bytes();
        const auto h = parseGguf(view(bytes), "x.gguf");
        QS_VERIFY_OK(h);
        QCOMPARE(h->tensors[0].bytes, uint64_t(4));
        QCOMPARE(h->tensors[1].bytes, uint64_t(0));
        GgufBuilder none;
        none.u32("n", 1);
        QS_VERIFY_OK(parseGguf(view(none.bytes()), "x.gguf"));
    }

    /// A quarter of a million tokens with merges: only stepped over.
    void largeVocabularyOpensFast() {
        std::vector<std::string> tokens(256 * 1024);
        for (size_t i = 0; i < tokens.size(); ++i)
            tokens[i] = "token " + std::to_string(i);
        GgufBuilder b;
        b.texts("tokenizer.ggml.tokens", tokens).texts("tokenizer.ggml.merges", tokens);
        b.array("tokenizer.ggml.scores", kGgufF32, std::vector<float>(tokens.size(), -1.5f));
        const std::string bytes = b.bytes();
        const auto start = std::chrono::steady_clock::now();
        const auto h = parseGguf(view(bytes), "x.gguf");
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        QS_VERIFY_OK(h);
        qInfo("%zu tokens, %.1f MB of header: %.1f ms", tokens.size(), double(bytes.size()) / 1e6,
              1e3 * seconds);
        QVERIFY(seconds < 0.5);
        QCOMPARE(h->metadata.texts("tokenizer.ggml.tokens")->back(), tokens.back());
    }
};

QS_TEST(GgufHeaderTest)
#include "tst_gguf_header.moc"
