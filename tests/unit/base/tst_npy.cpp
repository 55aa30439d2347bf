// SPDX-License-Identifier: Apache-2.0
#include "core/base/npy.h"

#include "tests/support/qs_test.h"

#include <cstring>
#include <fstream>

namespace fs = std::filesystem;
using namespace qs;
using qs::test::scratchDir;

namespace {

/// A file by hand, as numpy lays it out.
std::string npy(const std::string& header, const std::string& data, int version = 1) {
    std::string out = "\x93NUMPY";
    out += char(version);
    out += '\0';
    const uint32_t n = uint32_t(header.size());
    out.append(reinterpret_cast<const char*>(&n), version == 1 ? 2 : 4);
    return out + header + data;
}
std::string dict(const char* type, const char* shape) {
    return std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': " + shape + ", }    \n";
}
template<class T>
std::string raw(std::initializer_list<T> values) {
    return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}
std::span<const std::byte> bytes(const std::string& s) {
    return std::as_bytes(std::span(s));
}

} // namespace

class TestNpy : public QObject {
    Q_OBJECT
private slots:
    void floats() {
        const std::string f4 = npy(dict("<f4", "(2, 3)"), raw<float>({1, 2, 3, 4, 5, 6}));
        const auto a = parseNpyFloat(bytes(f4), "a.npy");
        QS_VERIFY_OK(a);
        QCOMPARE(a->shape, (std::vector<size_t>{2, 3}));
        QCOMPARE(a->values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
        const std::string f8 = npy(dict("<f8", "(2,)"), raw<double>({0.5, -1e300}), 2);
        const auto b = parseNpyFloat(bytes(f8), "b.npy");
        QS_VERIFY_OK(b);
        QCOMPARE(b->values[0], 0.5f);
        QCOMPARE(b->values[1], -std::numeric_limits<float>::infinity());
        const std::string scalar = npy(dict("<f4", "()"), raw<float>({7}));
        const auto c = parseNpyFloat(bytes(scalar), "c.npy");
        QS_VERIFY_OK(c);
        QVERIFY(c->shape.empty());
        QCOMPARE(c->values.size(), size_t(1));
        const std::string none = npy(dict("<f4", "(0, 3)"), "");
        QVERIFY(parseNpyFloat(bytes(none), "d.npy").has_value());
    }
    void integers() {
        const std::string i4 = npy(dict("<i4", "(3,)"), raw<int32_t>({1, -2, 2147483647}));
        const auto a = parseNpyInt(bytes(i4), "a.npy");
        QS_VERIFY_OK(a);
        QCOMPARE(a->values, (std::vector<int32_t>{1, -2, 2147483647}));
        const std::string i8 = npy("{\"shape\": (2,), \"descr\": \"<i8\", \"fortran_order\": False}",
                                   raw<int64_t>({5, -2147483648}));
        const auto b = parseNpyInt(bytes(i8), "b.npy");
        QS_VERIFY_OK(b);
        QCOMPARE(b->values, (std::vector<int32_t>{5, -2147483647 - 1}));
        const std::string wide = npy(dict("<i8", "(2,)"), raw<int64_t>({1, 2147483648}));
        const auto c = parseNpyInt(bytes(wide), "c.npy");
        QVERIFY(!c);
        QVERIFY(c.error().describe().find("c.npy: element 1: 2147483648") == 0);
    }

    void errors_data() {
        QTest::addColumn<QByteArray>("file");
        QTest::addColumn<QString>("wanted");
        const std::string two = raw<float>({1, 2});
        const auto row = [](const char* name, const std::string& file, const char* wanted) {
            QTest::newRow(name) << QByteArray(file.data(), qsizetype(file.size())) << wanted;
        };
        row("empty", "", "not a .npy");
        row("other magic", std::string(200, 'x'), "not a .npy");
        row("version 3", npy(dict("<f4", "(2,)"), two, 3), "version 3");
        row("header past the end", npy(dict("<f4", "(2,)"), two).substr(0, 30), "does not fit");
        row("huge header", std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12), "4294967295");
        row("cut length", std::string("\x93NUMPY\x02\x00\xff\xff", 10), "truncated");
        row("type", npy(dict("<i4", "(2,)"), two), "'<i4' is neither");
        row("big endian", npy(dict(">f4", "(2,)"), two), "descr");
        row("fortran", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n", two),
            "fortran_order");
        row("missing key", npy("{'descr': '<f4', 'shape': (2,), }\n", two), "missing");
        row("extra key", npy("{'descr': '<f4', 'x': 1, 'shape': (2,), }\n", two), "'x'");
        row("repeated key", npy("{'descr': '<f4', 'descr': '<f4', 'shape': (2,), }\n", two), "repeated");
        row("structured type",
            npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }\n", two), "descr");
        row("negative", npy(dict("<f4", "(-2,)"), two), "shape");
        row("rank", npy(dict("<f4", "(1,1,1,1,1,1,1,1,2)"), two), "more than 8");
        row("digits overflow", npy(dict("<f4", "(99999999999999999999,)"), two), "overflows");
        row("product overflow", npy(dict("<f4", "(4294967296, 4294967296)"), two), "overflows");
        row("bytes overflow", npy(dict("<f4", "(4611686018427387904,)"), two), "overflows");
        row("too few bytes", npy(dict("<f4", "(3,)"), two), "takes 12 bytes, the file holds 8");
        row("too many bytes", npy(dict("<f4", "(1,)"), two), "takes 4 bytes, the file holds 8");
        row("text after", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", two), "follows");
        row("unclosed", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,", two), "shape");
        row("not a dict", npy("[]", two), "dict");
    }
    void errors() {
        QFETCH(QByteArray, file);
        QFETCH(QString, wanted);
        const auto r =
            parseNpyFloat(std::as_bytes(std::span(file.constData(), size_t(file.size()))), "x.npy");
        QVERIFY(!r);
        const QString message = QString::fromStdString(r.error().describe());
        QVERIFY2(message.startsWith("x.npy: ") && message.contains(wanted), qPrintable(message));
    }

    void writtenAsNumpyDoes() {
        const fs::path path = scratchDir("npy") / "w.npy";
        const float values[] = {1.5f, -2.0f, 3.0f};
        const size_t row[] = {3}, matrix[] = {1, 3}, wrong[] = {4};
        QS_VERIFY_OK(writeNpyFloat(path, row, values));
        std::ifstream in(path, std::ios::binary);
        const std::string file{std::istreambuf_iterator<char>(in), {}};
        // 128 bytes of header (10 + 118), then 12 of data: what numpy.save writes for this array.
        QCOMPARE(file.size(), size_t(140));
        const std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
        QCOMPARE(file.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
        QCOMPARE(file.substr(10, 118), text + std::string(117 - text.size(), ' ') + "\n");
        QVERIFY(std::memcmp(file.data() + 128, values, 12) == 0);
        QS_VERIFY_OK(writeNpyFloat(path, matrix, values));
        const auto back = readNpyFloat(path);
        QS_VERIFY_OK(back);
        QCOMPARE(back->shape, (std::vector<size_t>{1, 3}));
        QVERIFY(!writeNpyFloat(path, wrong, values));
        QCOMPARE(readNpyInt(path).error().code, ErrorCode::Unsupported);
        QCOMPARE(readNpyFloat(path.parent_path() / "absent.npy").error().code, ErrorCode::NotFound);
    }

    // Values read with Python's struct module.
    void filesOfNumpy() {
        QS_NEED_SHARED(shared);
        const auto logits = readNpyFloat(shared / "data/models/stories260K/reference/logits_first64.npy");
        QS_VERIFY_OK(logits);
        QCOMPARE(logits->shape, (std::vector<size_t>{64, 512}));
        QCOMPARE(logits->values.front(), -6.222912788391113f);
        QCOMPARE(logits->values.back(), -10.469263076782227f);
        const auto tokens = readNpyInt(shared / "data/reference/stories940K-char/calib_tokens.npy");
        QS_VERIFY_OK(tokens);
        QCOMPARE(tokens->shape, (std::vector<size_t>{64, 256}));
        QCOMPARE(tokens->values[2], 30);
        const auto wide = readNpyFloat(shared / "data/reference/layer2048/W.npy");
        QS_VERIFY_OK(wide);
        QCOMPARE(wide->values.size(), size_t(2048) * 2048);
    }
};

QS_TEST(TestNpy)
#include "tst_npy.moc"
