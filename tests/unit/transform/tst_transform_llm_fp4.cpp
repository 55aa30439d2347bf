// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transform/transform_fixture.h"

using namespace qs;
using namespace qs::test;

class Transform_llm_fp4 : public QObject {
    Q_OBJECT
private slots:
    void byHand_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<float>("least");
        QTest::newRow("E2") << 2 << 1 / 8.0f;   // at most 2^2 - 1 octaves
        QTest::newRow("E3") << 3 << 1 / 128.0f; // at most 7
        QTest::newRow("E5") << 5 << 1 / 1024.0f;
    }
    void byHand() {
        QFETCH(int, bits);
        QFETCH(float, least);
        const auto c = transformCase("w3_g16", 3, 16);
        c->input.absmax.assign(48, 48.0f);
        c->input.absmax[1] = 64;
        c->input.absmax[2] = 23; // log2(64 / 23) = 1.48
        c->input.absmax[3] = 22; // 1.54
        c->input.absmax[4] = 64 / 1024.0f;
        c->input.absmax[5] = 0;
        const auto s = choose("llm_fp4", *c, {{"exponent_bits", bits}});
        QS_VERIFY_OK(s);
        for (size_t k = 0; k < 48; ++k)
            QCOMPARE((*s)[k], k == 2 ? 0.5f : k == 3 ? 0.25f : k == 4 ? least : 1.0f);
    }
    /// FP4 of a token whose channels differ by octaves: each channel has its own exponent.
    void channelsShareTheirSteps() {
        const auto c = transformCase("w3_g16", 3, 16);
        for (size_t k = 0; k < 48; ++k)
            c->input.absmax[k] = float(6 * std::exp2(-int(k % 4)));
        const auto s = choose("llm_fp4", *c, nlohmann::json::object());
        QS_VERIFY_OK(s);
        const CodecDescriptor* d = *findCodec("float");
        const auto codec = *d->create(*Params::fromJson(
            d->params, {{"format", "e2m1"}, {"group", -1}, {"scale_dtype", "f32"}}, "test"));
        Matrix x(1, 48);
        const float values[] = {6, 3.4f, 2.6f, 0.8f}, levels[] = {6, 3, 3, 1}; // 3.4 to 3, 2.6 to 3, 0.8 to 1
        for (size_t k = 0; k < 48; ++k)
            x(0, k) = values[k / 12] * (*s)[k];
        QS_VERIFY_OK(RowRounder(codec, *s).round(x.view()));
        for (size_t k = 0; k < 48; ++k)
            QVERIFY(std::fabs(x(0, k) - levels[k / 12] * (*s)[k]) <= 1e-5f);
    }
};

QS_TEST(Transform_llm_fp4)
#include "tst_transform_llm_fp4.moc"
