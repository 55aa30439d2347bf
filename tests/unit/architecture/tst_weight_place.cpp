// SPDX-License-Identifier: Apache-2.0
// Logical weights in fused, interleaved and transposed tensors.
#include "core/model/spec_builder.h"
#include "core/model/weight_place.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <fstream>

using namespace qs;
using namespace qs::test;

namespace {

/// Element (r, c) is 100 r + c.
SafetensorsItem counted(const std::string& name, std::vector<uint64_t> shape) {
    return {name, DType::F32, shape, [shape](std::span<std::byte> out) -> Result<void> {
                const uint64_t cols = shape.back();
                std::vector<float> values(out.size() / 4);
                for (size_t i = 0; i < values.size(); ++i)
                    values[i] = float(100 * (i / cols) + i % cols);
                std::memcpy(out.data(), values.data(), out.size());
                return {};
            }};
}

std::shared_ptr<const Checkpoint> openCounted() {
    const auto folder = scratchDir("weight-place");
    std::vector<SafetensorsItem> items = {counted("fused.weight", {12, 5}), counted("fused.bias", {12}),
                                          counted("conv.weight", {5, 12}), counted("conv.bias", {12})};
    if (auto w = writeSafetensors(folder / "model.safetensors", std::move(items), {}); !w)
        qFatal("%s", w.error().describe().c_str());
    std::ofstream(folder / "config.json") << "{}";
    return *openCheckpoint(folder);
}

/// k of an interleaved [2 heads, 3, 2 rows] tensor: rows 2, 3 and 8, 9.
LinearRequest keys(const char* stored, bool transposed) {
    LinearRequest r;
    r.module = "k_proj";
    r.role = "k";
    r.storedModule = stored;
    r.rows = {{2, 2}, {8, 2}};
    r.out = 4;
    r.in = 5;
    r.storedOut = 12;
    r.transposed = transposed;
    return r;
}

} // namespace

class WeightPlaces : public QObject {
    Q_OBJECT
private slots:
    void interleavedRows() {
        const auto c = openCounted();
        const SpecBuilder b(*c, "test", {});
        const auto l = b.linear(keys("fused", false));
        QS_VERIFY_OK(l);
        QCOMPARE(l->weight, std::string("fused.weight#k"));
        const auto w = readPlace(PackedReader(*c), l->place),
                   bias = readPlace(PackedReader(*c), l->biasPlace);
        QS_VERIFY_OK(w);
        QS_VERIFY_OK(bias);
        QCOMPARE(w->rows(), size_t(4));
        QCOMPARE(bias->cols(), size_t(4));
        const size_t rows[] = {2, 3, 8, 9};
        for (size_t r = 0; r < 4; ++r) {
            QCOMPARE((*bias)(0, r), float(rows[r]));
            for (size_t k = 0; k < 5; ++k)
                QCOMPARE((*w)(r, k), float(100 * rows[r] + k));
        }
        Matrix middle(2, 5); // a piece over the border of two ranges
        QS_VERIFY_OK(readPlaceRows(PackedReader(*c), l->place, 1, middle.view()));
        QCOMPARE(middle(0, 4), 304.0f);
        QCOMPARE(middle(1, 4), 804.0f);
    }
    void transposed() {
        const auto c = openCounted();
        const SpecBuilder b(*c, "test", {});
        const auto l = b.linear(keys("conv", true));
        QS_VERIFY_OK(l);
        const auto w = readPlace(PackedReader(*c), l->place);
        QS_VERIFY_OK(w);
        const size_t columns[] = {2, 3, 8, 9};
        for (size_t r = 0; r < 4; ++r)
            for (size_t k = 0; k < 5; ++k)
                QCOMPARE((*w)(r, k), float(100 * k + columns[r]));
        Matrix last(1, 5);
        QS_VERIFY_OK(readPlaceRows(PackedReader(*c), l->place, 3, last.view()));
        QCOMPARE(last(0, 4), 409.0f);
    }
    void scatterIsTheInverseOfGather() {
        const auto c = openCounted();
        const SpecBuilder b(*c, "test", {});
        for (const bool transposed : {false, true}) {
            const auto l = b.linear(keys(transposed ? "conv" : "fused", transposed));
            QS_VERIFY_OK(l);
            Matrix stored = *c->readMatrix(l->place.index), part(4, 5), back(4, 5);
            for (size_t i = 0; i < part.size(); ++i)
                part.data()[i] = -float(i) - 1;
            const Matrix before = stored.clone();
            scatterPlace(l->place, part.view(), stored.view());
            gatherPlace(l->place, stored.view(), back.view());
            QVERIFY(std::equal(part.span().begin(), part.span().end(), back.data()));
            size_t changed = 0;
            for (size_t i = 0; i < stored.size(); ++i)
                changed += stored.data()[i] != before.data()[i];
            QCOMPARE(changed, part.size()); // nothing else
        }
    }
    void wrongPlacesAreRefused() {
        const auto c = openCounted();
        const SpecBuilder b(*c, "test", {});
        LinearRequest r = keys("fused", false);
        r.rows = {{2, 2}, {11, 2}}; // past the end
        QVERIFY(!b.linear(r));
        r.rows = {{2, 2}}; // too few
        QVERIFY(!b.linear(r));
        r.rows = {{size_t(-1), 2}, {0, 2}};
        QVERIFY(!b.linear(r));
        r = keys("fused", true); // stored the other way round
        const auto wrong = b.linear(r);
        QVERIFY(!wrong);
        QVERIFY2(wrong.error().describe().find("[12, 5]") != std::string::npos,
                 wrong.error().describe().c_str());
        r = keys("absent", false);
        QVERIFY(!b.linear(r));
    }
};

QS_TEST(WeightPlaces)
#include "tst_weight_place.moc"
