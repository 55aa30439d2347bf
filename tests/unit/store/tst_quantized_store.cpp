// SPDX-License-Identifier: Apache-2.0
#include "core/hdf5/h5_file.h"
#include "core/store/quantized_store.h"
#include "tests/support/qs_test.h"

#include <limits>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

Params paramsOf(const char* scaleDtype, int group = 3) {
    const ParamSpecs specs = {ParamSpec::integer("bits", "", 4, 2, 8, ""),
                              ParamSpec::integer("group", "", group, -1, 6, ""),
                              ParamSpec::choice("grid", "", "minmax", {"minmax"}, ""),
                              ParamSpec::choice("scale_dtype", "", scaleDtype, {scaleDtype}, "")};
    return Params::defaults(specs);
}

/// [4, 6], groups of 3; codes 0 .. 15 in turn.
QuantizedTensor example(const char* scaleDtype = "f16") {
    QuantizedTensor q;
    q.codec = "int";
    q.codecParams = paramsOf(scaleDtype);
    q.rows = 4;
    q.cols = 6;
    q.layout = {4, 2, 3};
    for (size_t i = 0; i < 24; ++i)
        q.codes.push_back(uint8_t(i * 5 % 16));
    q.scale = Matrix(4, 2);
    q.zero = Matrix(4, 2);
    for (size_t i = 0; i < 8; ++i) {
        q.scale.data()[i] = 0.0078125f * float(i + 1); // multiples of 2^-7: exact in every type
        q.zero.data()[i] = float(i);
    }
    return q;
}

bool same(const QuantizedTensor& a, const QuantizedTensor& b) {
    const auto equal = [](const Matrix& x, const Matrix& y) {
        return x.rows() == y.rows() && x.cols() == y.cols() &&
               std::equal(x.span().begin(), x.span().end(), y.data());
    };
    return a.codec == b.codec && a.codecParams == b.codecParams && a.rows == b.rows && a.cols == b.cols &&
           a.layout.scaleRows == b.layout.scaleRows && a.layout.groups == b.layout.groups &&
           a.layout.groupSize == b.layout.groupSize && a.codes == b.codes && equal(a.scale, b.scale) &&
           equal(a.zero, b.zero) && a.groupOfColumn == b.groupOfColumn && a.extras.kept == b.extras.kept &&
           a.extras.rotation == b.extras.rotation && a.extras.reassembly == b.extras.reassembly &&
           equal(a.extras.lowRank.a, b.extras.lowRank.a) && equal(a.extras.lowRank.b, b.extras.lowRank.b);
}

std::string messageOf(const Result<void>& r) {
    return r ? std::string() : r.error().describe();
}

/// Writes a file of one module with one thing wrong; `change` gets the writer after everything else.
struct Broken {
    const char* what;
    bool scale = true;
    int64_t rows = 4;
    std::vector<float> zero = std::vector<float>(8, 1.0f);
    std::vector<int32_t> groups = {0, 0, 1, 1, 0, 1};
    const char* params = R"({"bits": 4, "group": 3, "scale_dtype": "f32"})";
    const char* schema = "quantoscope-tensors";
    int64_t version = 1;
    const char* codec = "int";
    int64_t groupCount = 2, groupSize = 3;
    uint8_t code = 15;       ///< at [2, 4]
    float scaleValue = 0.5f; ///< at [3, 0]
    const char* expected;
};

Result<void> writeBroken(
    const fs::path& path, const Broken& b,
    const std::function<Result<void>(H5Writer&)>& more = [](H5Writer&) { return Result<void>(); }) {
    QS_TRY(auto w, H5Writer::begin(path));
    QS_CHECK(w->attribute("/", "schema", b.schema));
    QS_CHECK(w->attribute("/", "schema_version", b.version));
    QS_CHECK(w->group("/m"));
    QS_CHECK(w->attribute("/m", "codec", b.codec));
    QS_CHECK(w->attribute("/m", "codec_params", b.params));
    QS_CHECK(w->attribute("/m", "rows", b.rows));
    QS_CHECK(w->attribute("/m", "cols", int64_t(6)));
    QS_CHECK(w->attribute("/m", "group_size", b.groupSize));
    QS_CHECK(w->attribute("/m", "groups", b.groupCount));
    QS_CHECK(w->attribute("/m", "scale_rows", int64_t(4)));
    std::vector<uint8_t> codes(24, 3);
    codes[2 * 6 + 4] = b.code;
    QS_CHECK(w->array<uint8_t>("/m/codes", codes, {4, 6}, H5Filter::Compress));
    std::vector<float> scale(size_t(4 * b.groupCount), 0.5f), zero = b.zero;
    scale[size_t(3 * b.groupCount)] = b.scaleValue;
    zero.resize(scale.size());
    const H5Shape shape = {4, uint64_t(b.groupCount)};
    if (b.scale) QS_CHECK(w->array<float>("/m/scale", scale, shape, H5Filter::Compress));
    QS_CHECK(w->array<float>("/m/zero", zero, shape, H5Filter::Compress));
    QS_CHECK(w->array<int32_t>("/m/group_of_column", b.groups, {b.groups.size()}, H5Filter::Compress));
    QS_CHECK(more(*w));
    return w->commit();
}

QuantizedTensor withExtras() {
    QuantizedTensor q = example();
    q.extras.kept = {{0, 1, 1, 3, 3}, {5, 0, 2}, {65504, -0.25f, 0x1p-24f}};
    q.extras.lowRank = {Matrix(4, 1), Matrix(1, 6)};
    for (size_t i = 0; i < 4; ++i)
        q.extras.lowRank.a(i, 0) = 0.5f * float(i);
    for (size_t i = 0; i < 6; ++i)
        q.extras.lowRank.b(0, i) = 0.125f * float(i);
    q.extras.reassembly = {{0, 1, 1, 3, 4, 5}, {2, 1, 1, 3, 4, 5}};
    q.extras.rotation = InputRotation{0xfedcba9876543210, std::vector<float>(6, 0.75f)};
    return q;
}

} // namespace

class QuantizedStore : public QObject {
    Q_OBJECT
private slots:
    void roundTrip() {
        const fs::path path = scratchDir("qstore") / "unit.h5";
        QuantizedTensor a = example("f16"), b = example("bf16"), c = example("f32"), d = example("f16");
        a.scale(0, 0) = 65504.0f;
        a.scale(0, 1) = 0x1p-24f;
        b.scale(0, 0) = 0x1.fep127f;
        c.scale(0, 0) = 0.1f;
        c.zero(1, 1) = -3.5f;
        d.codecParams = paramsOf("f16", 0);
        d.layout = {1, 1, 6};
        d.scale = Matrix(1, 1);
        d.zero = Matrix(1, 1);
        d.scale(0, 0) = 2;
        d.zero(0, 0) = 255;
        QuantizedTensor plain = example();
        plain.codecParams = *Params::fromJson((*findCodec("int"))->params, {{"group", 3}}, "test");
        const std::vector<std::pair<std::string, const QuantizedTensor*>> all = {
            {"layers.0.q", &a}, {"a/b%", &b}, {"c", &c}, {"d", &d}, {".", &plain}};
        QS_VERIFY_OK(writeQuantizedTensors(path, all, {{"note", "hello"}}));
        for (const auto& [module, q] : all) {
            const auto r = readQuantizedTensor(path, module);
            QS_VERIFY_OK(r);
            QVERIFY2(same(*r, *q), module.c_str());
        }
        auto f = H5Reader::open(path);
        QS_VERIFY_OK(f);
        QVERIFY((*f)->type("/layers.0.q/scale").value() == H5Type::F16);
        QVERIFY((*f)->type("/a%2Fb%25/scale").value() == H5Type::U16);
        QCOMPARE((*f)->stringAttribute("/a%2Fb%25/scale", "qs_dtype").value(), std::string("bf16"));
        QVERIFY((*f)->type("/c/scale").value() == H5Type::F32);
        QVERIFY((*f)->type("/c/zero").value() == H5Type::F32);
        QVERIFY((*f)->type("/d/zero").value() == H5Type::U8);
        QCOMPARE((*f)->stringAttribute("/", "note").value(), std::string("hello"));
        QCOMPARE((*f)->stringAttribute("/a%2Fb%25", "module").value(), std::string("a/b%"));
    }

    void extras() {
        QuantizedTensor kept = example(), low = example(), both = withExtras(), wide;
        kept.extras.kept = withExtras().extras.kept;
        low.extras.lowRank = std::move(withExtras().extras.lowRank);
        wide.codec = "int";
        wide.codecParams = paramsOf("f16", -1);
        wide.rows = 1;
        wide.cols = 70000;
        wide.layout = {1, 1, 70000};
        wide.codes.assign(70000, 3);
        wide.scale = Matrix(1, 1);
        wide.zero = Matrix(1, 1);
        wide.scale(0, 0) = 1;
        wide.extras.kept = {{0, 2}, {1, 69999}, {1, 2}};
        wide.extras.rotation = InputRotation{3, {}};
        wide.extras.reassembly = ChannelReassembly::identity(70000);
        QuantizedTensor bytes = example();
        bytes.extras.kept = {{0, 1, 1, 3, 4}, {5, 0, 2, 5}, {-127, 60, -0.25f, 0}, {1, 1, 0.25f, 3}};
        bytes.extras.kept.values[1] = 31.75f; // 127 quarters
        const fs::path path = scratchDir("qstore-extras") / "x.h5";
        const std::vector<std::pair<std::string, const QuantizedTensor*>> all = {
            {"kept", &kept}, {"low", &low}, {"both", &both}, {"wide", &wide}, {"bytes", &bytes}};
        QS_VERIFY_OK(writeQuantizedTensors(path, all));
        for (const auto& [module, q] : all) {
            const auto r = readQuantizedTensor(path, module);
            QS_VERIFY_OK(r);
            QVERIFY2(same(*r, *q), module.c_str());
        }
        const auto f = *H5Reader::open(path);
        QVERIFY(f->type("/kept/kept_column").value() == H5Type::U16);
        QVERIFY(f->type("/wide/kept_column").value() == H5Type::I32);
        QVERIFY(f->type("/both/low_rank_b").value() == H5Type::F16);
        QVERIFY(!f->exists("/low/kept_start") && !f->exists("/kept/low_rank_a"));
        QVERIFY(!f->exists("/bytes/kept_start"));
        // 24 weights; numbers 5, 12, 14 and 23 are kept.
        QCOMPARE(*f->array<uint8_t>("/bytes/kept_mask", {3}), (std::vector<uint8_t>{0x20, 0x50, 0x80}));
        QCOMPARE(*f->array<uint8_t>("/bytes/kept_code", {4}), (std::vector<uint8_t>{1, 255, 127, 128}));
    }

    void extrasThatDisagreeWithThemselves() {
        const fs::path path = scratchDir("qstore-extra-rules") / "x.h5";
        const auto refused = [&](const char* part, const std::function<void(Extras&)>& change) {
            QuantizedTensor q = withExtras();
            change(q.extras);
            const auto r = writeQuantizedTensors(path, {{"m", &q}});
            return !r && messageOf(r).find(part) != std::string::npos;
        };
        QVERIFY(refused("kept_start has 4", [](Extras& e) { e.kept.rowStart.pop_back(); }));
        QVERIFY(refused("kept_start[2] is 0 after 1", [](Extras& e) { e.kept.rowStart[2] = 0; }));
        QVERIFY(refused("kept_start[1] is 9", [](Extras& e) { e.kept.rowStart[1] = 9; }));
        QVERIFY(refused("kept_start has 5", [](Extras& e) { e.kept.columns.pop_back(); }));
        QVERIFY(refused("kept_column[0] is 6", [](Extras& e) { e.kept.columns[0] = 6; }));
        QVERIFY(refused("kept_column[2] is 0", [](Extras& e) { e.kept.columns[2] = 0; }));
        QVERIFY(refused("kept_value[1] = 0.1", [](Extras& e) { e.kept.values[1] = 0.1f; }));
        QVERIFY(refused("kept_scale has 3", [](Extras& e) { e.kept.scale = {1, 1, 1}; }));
        QVERIFY(refused("kept_scale[1] is 0", [](Extras& e) { e.kept.scale = {712, 0, 1, 1}; }));
        QVERIFY(refused("kept_value[1] = -0.25 is not", [](Extras& e) { e.kept.scale = {712, 1, 1, 1}; }));
        QVERIFY(refused("low_rank_b[5] = inf",
                        [](Extras& e) { e.lowRank.b(0, 5) = std::numeric_limits<float>::infinity(); }));
        QVERIFY(refused("merges 0 once more", [](Extras& e) {
            e.reassembly = {{0, 0, 1, 3, 4, 5}, {2, 1, 1, 3, 4, 5}};
        }));
        QVERIFY(refused("rotation_scale has 5", [](Extras& e) { e.rotation->scale.pop_back(); }));
        QVERIFY(refused("rotation_scale[2] is 0", [](Extras& e) { e.rotation->scale[2] = 0; }));
        QVERIFY(refused("low_rank_a [4, 2]", [](Extras& e) { e.lowRank.a = Matrix(4, 2); }));
        QVERIFY(refused("low_rank_a [4, 1]", [](Extras& e) { e.lowRank.b = Matrix(); }));
    }

    /// Files whose extras another program damaged.
    void damagedExtras() {
        const fs::path path = scratchDir("qstore-extra-damage") / "x.h5";
        const auto message = [&](const std::vector<int32_t>& start, const std::vector<uint16_t>& column,
                                 size_t values, const H5Shape& a) {
            Broken b{.what = "", .expected = ""};
            auto w = writeBroken(path, b, [&](H5Writer& file) -> Result<void> {
                QS_CHECK(file.array<int32_t>("/m/kept_start", start, {start.size()}, H5Filter::Compress));
                QS_CHECK(file.array<uint16_t>("/m/kept_column", column, {column.size()}, H5Filter::Compress));
                const std::vector<HalfBits> half(values, HalfBits{0x3c00});
                QS_CHECK(file.array<HalfBits>("/m/kept_value", half, {values}, H5Filter::Compress));
                if (a.empty()) return {};
                std::vector<HalfBits> factor(1, HalfBits{0x3c00});
                for (const uint64_t n : a)
                    factor.resize(factor.size() * n);
                return file.array<HalfBits>("/m/low_rank_a", factor, a, H5Filter::Compress);
            });
            if (!w) qFatal("%s", w.error().describe().c_str());
            const auto r = readQuantizedTensor(path, "m");
            return r ? std::string() : r.error().describe();
        };
        const auto has = [](const std::string& text, const char* part) {
            return text.find(part) != std::string::npos;
        };
        QVERIFY(has(message({0, 1, 1, 1}, {2}, 1, {4, 1}), "kept_start"));
        QVERIFY(has(message({0, 1, 1, 1, -1}, {2}, 1, {4, 1}), "kept_start ends with 4294967295"));
        QVERIFY(has(message({0, 1, 1, 1, 2}, {2}, 1, {4, 1}), "kept_column"));
        QVERIFY(has(message({0, 1, 1, 1, 1}, {2}, 2, {4, 1}), "kept_value"));
        QVERIFY(has(message({0, -5, 1, 1, 1}, {2}, 1, {}), "kept_start[1] is 4294967291"));
        QVERIFY(has(message({0, 1, 1, 1, 1}, {2}, 1, {4}), "two dimensions"));
        QVERIFY(has(message({0, 1, 1, 1, 1}, {2}, 1, {4, 1}), "low_rank_b"));
    }

    void damagedEightBitExtras() {
        const fs::path path = scratchDir("qstore-byte-damage") / "x.h5";
        const auto message = [&](std::vector<uint8_t> mask, std::vector<uint8_t> code, uint16_t scale) {
            Broken b{.what = "", .expected = ""};
            auto w = writeBroken(path, b, [&](H5Writer& file) -> Result<void> {
                const std::vector<HalfBits> scales(4, HalfBits{scale});
                QS_CHECK(file.array<HalfBits>("/m/kept_scale", scales, {4}, H5Filter::Compress));
                QS_CHECK(file.array<uint8_t>("/m/kept_mask", mask, {mask.size()}, H5Filter::Compress));
                return file.array<uint8_t>("/m/kept_code", code, {code.size()}, H5Filter::Compress);
            });
            if (!w) qFatal("%s", w.error().describe().c_str());
            const auto r = readQuantizedTensor(path, "m");
            return r ? std::string("read") : r.error().describe();
        };
        const auto has = [](const std::string& text, const char* part) {
            return text.find(part) != std::string::npos;
        };
        QCOMPARE(message({1, 0, 2}, {7, 9}, 0x3c00), std::string("read"));
        QVERIFY(has(message({1, 0}, {7}, 0x3c00), "kept_mask"));
        QVERIFY(has(message({1, 0, 2}, {7}, 0x3c00), "kept_code"));
        QVERIFY(has(message({1, 0, 2}, {7, 0}, 0x3c00), "kept_value[1] = -128 is not"));
        QVERIFY(has(message({1, 0, 2}, {7, 9}, 0), "kept_scale[0] is 0"));
        QVERIFY(has(message({1, 0, 2}, {7, 9}, 0x7c00), "kept_value[0] = -inf"));
    }

    void groupOfColumnDecidesWhenPresent() {
        QuantizedTensor q = example();
        q.groupOfColumn = {1, 0, 0, 1, 1, 0};
        const fs::path path = scratchDir("qstore-groups") / "x.h5";
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}));
        const auto r = readQuantizedTensor(path, "m");
        QS_VERIFY_OK(r);
        QCOMPARE(r->groupOf(0), size_t(1));
        QCOMPARE(r->groupOf(5), size_t(0));
    }

    void scalesThatTheTypeCannotHold() {
        const fs::path path = scratchDir("qstore-exact") / "x.h5";
        QuantizedTensor half = example("f16"), brain = example("bf16"), big = example("f16");
        half.scale(1, 0) = 0.1f;
        brain.scale(1, 0) = 1.00390625f; // 1 + 2^-8 needs 8 mantissa bits
        big.scale(1, 0) = 65536.0f;
        for (const QuantizedTensor* q : {&half, &brain, &big}) {
            const auto r = writeQuantizedTensors(path, {{"some.module", q}});
            QVERIFY(!r);
            QVERIFY(r.error().code == ErrorCode::InvalidArgument);
            QVERIFY2(messageOf(r).find("x.h5: some.module: scale[1, 0] = ") != std::string::npos,
                     messageOf(r).c_str());
            QVERIFY(fs::is_empty(path.parent_path()));
        }
    }

    void tensorsThatDisagreeWithThemselves() {
        const fs::path path = scratchDir("qstore-rules") / "x.h5";
        const auto refused = [&](const char* part, const std::function<void(QuantizedTensor&)>& change) {
            QuantizedTensor q = example("f32");
            change(q);
            const auto r = writeQuantizedTensors(path, {{"m", &q}});
            return !r && r.error().code == ErrorCode::InvalidArgument &&
                   messageOf(r).find(part) != std::string::npos;
        };
        QVERIFY(refused("codes do not fill", [](auto& q) { q.codes.pop_back(); }));
        QVERIFY(refused("scale_rows", [](auto& q) { q.layout.scaleRows = 2; }));
        QVERIFY(refused("do not cover", [](auto& q) { q.layout.groupSize = 2; }));
        QVERIFY(refused("do not cover", [](auto& q) { q.layout.groupSize = 0; }));
        QVERIFY(refused("zero is [0, 0]", [](auto& q) { q.zero = Matrix(); }));
        QVERIFY(
            refused("scale[3, 1]", [](auto& q) { q.scale(3, 1) = std::numeric_limits<float>::quiet_NaN(); }));
        QVERIFY(refused("group_of_column[2] is 2", [](auto& q) { q.groupOfColumn = {0, 1, 2, 0, 0, 0}; }));
        QVERIFY(refused("group_of_column has 1", [](auto& q) { q.groupOfColumn = {0}; }));
        QVERIFY(refused("scale_dtype", [](auto& q) { q.codecParams = paramsOf("f8"); }));
        QVERIFY(refused("codes[1, 5] is 16, the codes of int4 g3 minmax are 0 .. 15",
                        [](auto& q) { q.codes[11] = 16; }));
        QVERIFY(refused("cuts [4, 6] into 4, 1, 6", [](auto& q) { q.codecParams = paramsOf("f32", -1); }));
        QVERIFY(refused("is empty", [](auto& q) { q.rows = 0; }));
        const QuantizedTensor q = example();
        QVERIFY(!writeQuantizedTensors(path, {{"", &q}}));
        QVERIFY(!writeQuantizedTensors(path, {{"twice", &q}, {"twice", &q}}));
        QVERIFY(fs::is_empty(path.parent_path()));
    }

    /// Four bits a code, the first in the lowest: 0 5 10 15 4 9 are the bytes 50 fa 94, filled up to a word.
    void packedCodesByHand() {
        const fs::path path = scratchDir("qstore-packed") / "x.h5";
        QuantizedTensor q = example();
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}));
        const auto file = H5Reader::open(path);
        QS_VERIFY_OK(file);
        QVERIFY(!(*file)->exists("/m/codes"));
        const auto bytes = (*file)->array<uint8_t>("/m/packed_codes", {4, 4});
        QS_VERIFY_OK(bytes);
        QCOMPARE(std::vector<uint8_t>(bytes->begin(), bytes->begin() + 4),
                 (std::vector<uint8_t>{0x50, 0xfa, 0x94, 0}));
        // Five bits run over the ends of bytes and words.
        q.codecParams =
            Params::fromJson((*findCodec("int"))->params, {{"bits", 5}, {"group", 3}}, "test").value();
        for (size_t i = 0; i < 24; ++i)
            q.codes[i] = uint8_t(31 - i);
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}));
        const auto five = H5Reader::open(path);
        QS_VERIFY_OK(five);
        // 31 30 29 28 27 26: 11111 01111 10111 00111 11011 01011 from the lowest bit on.
        const auto packed = (*five)->array<uint8_t>("/m/packed_codes", {4, 4});
        QS_VERIFY_OK(packed);
        QCOMPARE(std::vector<uint8_t>(packed->begin(), packed->begin() + 4),
                 (std::vector<uint8_t>{0xdf, 0x77, 0xbe, 0x35}));
        const auto back = readQuantizedTensor(path, "m");
        QS_VERIFY_OK(back);
        QVERIFY(same(*back, q));
    }

    void packedCodesOfAnotherShape() {
        const fs::path path = scratchDir("qstore-packed-shape") / "x.h5";
        Broken b{.what = "packed", .version = 2, .expected = ""};
        const auto more = [](H5Writer& w) {
            return w.array<uint8_t>("/m/packed_codes", std::vector<uint8_t>(12, 0), {4, 3},
                                    H5Filter::Checksum);
        };
        QS_VERIFY_OK(writeBroken(path, b, more));
        const auto r = readQuantizedTensor(path, "m");
        QVERIFY(!r && r.error().code == ErrorCode::Corrupt);
        QVERIFY2(r.error().describe().find("/m/packed_codes: shape is [4, 3], expected [4, 4]") !=
                     std::string::npos,
                 r.error().describe().c_str());
    }

    void missing() {
        const fs::path path = scratchDir("qstore-missing") / "x.h5";
        const QuantizedTensor q = example();
        QVERIFY(readQuantizedTensor(path, "m").error().code == ErrorCode::NotFound);
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}));
        for (const char* name : {"n", "", "m/codes", "codes"})
            QVERIFY(readQuantizedTensor(path, name).error().code == ErrorCode::NotFound);
    }

    void brokenFiles() {
        const fs::path path = scratchDir("qstore-broken") / "x.h5";
        Broken ok{.what = "nothing", .expected = ""};
        QS_VERIFY_OK(writeBroken(path, ok));
        QS_VERIFY_OK(readQuantizedTensor(path, "m"));
        const float nan = std::numeric_limits<float>::quiet_NaN();
        const Broken cases[] = {
            {.what = "no scale", .scale = false, .expected = "/m/scale: the object is missing"},
            {.what = "rows", .rows = 5, .expected = "/m/codes: shape is [4, 6], expected [5, 6]"},
            {.what = "huge", .rows = int64_t(1) << 32, .expected = "/m/codes: shape is"},
            {.what = "negative", .rows = -1, .expected = "'rows' is -1"},
            {.what = "nan", .zero = {0, 0, 0, nan, 0, 0, 0, 0}, .expected = "zero[1, 1] is not finite"},
            {.what = "group", .groups = {0, 0, 9, 0, 0, 0}, .expected = "group_of_column[2] is 9"},
            {.what = "short", .groups = {0, 0}, .expected = "/m/group_of_column: shape is [2], expected [6]"},
            {.what = "json", .params = "{", .expected = "codec_params is not a JSON object"},
            {.what = "nested", .params = R"({"a": [1]})", .expected = "codec_params: 'a'"},
            {.what = "type", .params = R"({"scale_dtype": "f16"})", .expected = "float32, expected float16"},
            {.what = "dtype", .params = R"({"scale_dtype": 3})", .expected = "scale_dtype must be"},
            {.what = "schema", .schema = "else", .expected = "schema is 'else'"},
            {.what = "version", .version = 3, .expected = "schema version 3, this program reads 1 .. 2"},
            {.what = "code", .code = 16, .expected = "x.h5: /m: codes[2, 4] is 16, the codes of int4 g3"},
            {.what = "last code", .code = 255, .expected = "codes[2, 4] is 255"},
            {.what = "bits",
             .params = R"({"bits": 3, "group": 3, "scale_dtype": "f32"})",
             .expected = "codes[2, 4] is 15, the codes of int3 g3 asym are 0 .. 7"},
            {.what = "infinite scale",
             .scaleValue = -std::numeric_limits<float>::infinity(),
             .expected = "scale[3, 0] is not finite (-inf)"},
            {.what = "more groups",
             .groupCount = 3,
             .expected = "/m: scale_rows 4, groups 3, group_size 3; int4"},
            {.what = "wider groups", .groupSize = 4, .expected = "groups 2, group_size 4; int4 g3 asym cuts"},
            {.what = "group that does not divide",
             .params = R"({"bits": 4, "group": 4, "scale_dtype": "f32"})",
             .expected = "row length 6 is not a multiple of group 4"},
            {.what = "codec", .codec = "int-of-tomorrow", .expected = "no codec 'int-of-tomorrow'"},
            {.what = "parameter",
             .params = R"({"bits": 4, "group": 3, "scale_dtype": "f32", "speed": 3})",
             .expected = "unknown parameter 'speed'"}};
        for (const Broken& b : cases) {
            QS_VERIFY_OK(writeBroken(path, b));
            const auto r = readQuantizedTensor(path, "m");
            QVERIFY2(!r, b.what);
            QVERIFY2(r.error().describe().find(b.expected) != std::string::npos,
                     r.error().describe().c_str());
            QVERIFY2(r.error().describe().find("x.h5") != std::string::npos, b.what);
        }
    }
};

QS_TEST(QuantizedStore)
#include "tst_quantized_store.moc"
