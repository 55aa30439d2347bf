// SPDX-License-Identifier: Apache-2.0
#include "core/codec/row_rounder.h"
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class RowRounderTest : public QObject {
    Q_OBJECT
    /// By both ways to ask, which must agree.
    static bool alike(const RowRounder& a, const RowRounder& b) {
        if (a.sameAs(b) != (a.identity() == b.identity())) qFatal("sameAs and identity disagree");
        return a.sameAs(b);
    }

private slots:
    void perTokenByHand() {
        // int8 absmax per token: s = 12.7 / 127 = 0.1 and 254 / 127 = 2.
        const RowRounder rounder(
            makeCodec("int", {{"bits", 8}, {"grid", "absmax"}, {"group", -1}, {"scale_dtype", "f32"}}));
        Matrix x(2, 4);
        const float in[2][4] = {{12.7f, -0.26f, 0.04f, 0.0f}, {-254.0f, 3.1f, 0.9f, 100.7f}};
        const float out[2][4] = {{12.7f, -0.3f, 0.0f, 0.0f}, {-254.0f, 4.0f, 0.0f, 100.0f}};
        for (size_t i = 0; i < 8; ++i)
            x.data()[i] = in[i / 4][i % 4];
        QS_VERIFY_OK(rounder.round(x.view()));
        for (size_t i = 0; i < 8; ++i)
            QVERIFY(std::fabs(x.data()[i] - out[i / 4][i % 4]) <= 1e-5f * std::fabs(out[i / 4][i % 4]));
    }

    /// LLM.int8(): what is above 6 stays, and the scale is that of the rest: 1.27 / 127.
    void largeValuesAreKept() {
        const auto codec =
            makeCodec("int", {{"bits", 8}, {"grid", "absmax"}, {"group", -1}, {"scale_dtype", "f32"}});
        const RowRounder rounder(codec, {}, 6), plain(codec);
        Matrix x(1, 5);
        const float in[] = {1.27f, -6.03f, 0.504f, 1000.3f, 6.0f},
                    out[] = {1.2755906f, -6.03f, 0.519685f, 1000.3f, 6.0f};
        std::copy_n(in, 5, x.data());
        QS_VERIFY_OK(rounder.round(x.view())); // the largest that is rounded is 6: a step of 6 / 127
        for (size_t i = 0; i < 5; ++i)
            QVERIFY2(std::fabs(x.data()[i] - out[i]) <= 1e-5f * std::fabs(out[i]),
                     qPrintable(QString("%1: %2").arg(i).arg(double(x.data()[i]), 0, 'g', 9)));
        QVERIFY(!alike(rounder, plain) && alike(rounder, RowRounder(codec, {}, 6)));
    }

    /// Everything that rounding depends on is in the name.
    void names() {
        const auto codec = makeCodec("int", {{"bits", 8}, {"grid", "absmax"}, {"group", -1}});
        std::vector<RowRounder> all;
        all.emplace_back(codec);
        all.emplace_back(makeCodec("int", {{"bits", 4}, {"grid", "absmax"}, {"group", -1}}));
        all.emplace_back(makeCodec("float", {{"format", "e4m3"}, {"group", -1}}));
        all.emplace_back(codec, std::vector<float>{1, 2});
        all.emplace_back(codec, std::vector<float>{2, 1});
        all.emplace_back(codec, std::vector<float>{}, 6.0f);
        all.emplace_back(codec, std::vector<float>{}, 0.0f, FixedRange{1, 2});
        all.emplace_back(codec, std::vector<float>{}, 0.0f, FixedRange{2, 1});
        RowAdjustment adjust;
        for (const auto& change :
             {+[](RowAdjustment& a) { a.range = 2; }, +[](RowAdjustment& a) { a.shift = 2; },
              +[](RowAdjustment& a) {
                  a.channels = {{0, 1}, {1, 0}};
              },
              +[](RowAdjustment& a) {
                  a.channels = {{1, 0}, {0, 1}};
              }}) {
            RowAdjustment a = adjust;
            change(a);
            all.emplace_back(codec, std::vector<float>{}, 0.0f, std::nullopt, a);
        }
        for (size_t i = 0; i < all.size(); ++i)
            for (size_t j = 0; j < all.size(); ++j)
                QCOMPARE(alike(all[i], RowRounder(all[j])), i == j);
    }

    void factorsByHand() {
        // x / f = (12.7, -0.26, 0.04, 0): s = 0.1 as above, and back.
        const RowRounder rounder(
            makeCodec("int", {{"bits", 8}, {"grid", "absmax"}, {"group", -1}, {"scale_dtype", "f32"}}),
            {10, 0.5f, 2, 1});
        Matrix x(1, 4);
        const float in[4] = {127.0f, -0.13f, 0.08f, 0.0f}, out[4] = {127.0f, -0.15f, 0.0f, 0.0f};
        std::copy_n(in, 4, x.data());
        QS_VERIFY_OK(rounder.round(x.view()));
        for (size_t i = 0; i < 4; ++i)
            QVERIFY(std::fabs(x.data()[i] - out[i]) <= 1e-5f * std::fabs(out[i]));
        QVERIFY(!rounder.sameAs(RowRounder(
            makeCodec("int", {{"bits", 8}, {"grid", "absmax"}, {"group", -1}, {"scale_dtype", "f32"}}))));
        Matrix wider(1, 5);
        const auto refused = rounder.round(wider.view());
        QVERIFY(!refused && refused.error().message.find("4 factors") != std::string::npos);
    }

    /// A scale of 0.1 for all tokens, whatever they hold: codes -128 .. 127, and with a zero point of 100
    /// codes 0 .. 255 around it.
    void fixedByHand() {
        const auto codec =
            makeCodec("int", {{"bits", 8}, {"grid", "absmax"}, {"group", -1}, {"scale_dtype", "f32"}});
        const auto with = [&](float scale, float zero) {
            return RowRounder(codec, {}, 0, RowRounder::Fixed{scale, zero});
        };
        const float in[2][4] = {{15, -15, 0.26f, -0.04f}, {0.11f, -0.16f, 9.99f, 0}},
                    symmetric[2][4] = {{12.7f, -12.8f, 0.3f, 0}, {0.1f, -0.2f, 10, 0}},
                    shifted[2][4] = {{15, -10, 0.3f, 0}, {0.1f, -0.2f, 10, 0}};
        for (const auto& [rounder, out] :
             {std::pair(with(0.1f, 128), symmetric), {with(0.1f, 100), shifted}}) {
            Matrix x(2, 4);
            for (size_t i = 0; i < 8; ++i)
                x.data()[i] = in[i / 4][i % 4];
            QS_VERIFY_OK(rounder.round(x.view()));
            for (size_t i = 0; i < 8; ++i)
                QVERIFY(std::fabs(x.data()[i] - out[i / 4][i % 4]) <= 1e-5f * std::fabs(out[i / 4][i % 4]));
        }
        QVERIFY(alike(with(0.1f, 128), with(0.1f, 128)));
        QVERIFY(!alike(with(0.1f, 128), with(0.2f, 128)) && !alike(with(0.1f, 128), with(0.1f, 100)) &&
                !alike(with(0.1f, 128), RowRounder(codec)));
        Matrix x(1, 4);
        for (const float scale : {0.0f, -1.0f, INFINITY, NAN})
            QVERIFY(!with(scale, 128).round(x.view()));
        const RowRounder grouped(makeCodec("int", {{"group", 2}}), {}, 0, RowRounder::Fixed{0.1f, 8});
        const auto refused = grouped.round(x.view());
        QVERIFY(!refused && refused.error().message.find("2 scales in a row of 4") != std::string::npos);
    }

    /// NVFP4 against 448: the group's scale is the E4M3 value nearest to 6 / 6 * 448 over 448, 1.
    void fixedForTheTensorByHand() {
        const RowRounder rounder(makeCodec("nvfp4", {}), {}, 0, RowRounder::Fixed{448, 0});
        Matrix x(1, 16);
        const float in[] = {6, -4.9f, 2.4f, 0.3f, 0.2f}, out[] = {6, -4, 2, 0.5f, 0};
        std::copy_n(in, 5, x.data());
        QS_VERIFY_OK(rounder.round(x.view()));
        QVERIFY(std::equal(out, out + 5, x.data()));
        // Twice as much: the scale cannot be above 448 / 448, and values saturate.
        for (size_t i = 0; i < 5; ++i)
            x.data()[i] = 2 * in[i];
        QS_VERIFY_OK(rounder.round(x.view()));
        const float saturated[] = {6, -6, 4, 0.5f, 0.5f};
        QVERIFY(std::equal(saturated, saturated + 5, x.data()));
    }

    /// A token's values do not depend on the others, whatever the format keeps for a whole tensor.
    void tokensAreIndependent_data() {
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        const auto row = [](const char* codec, const char* params) {
            QTest::addRow("%s %s", codec, params) << codec << params;
        };
        row("int", R"({"bits": 4, "group": 32})");
        row("int", R"({"bits": 8, "group": 0})");
        row("float", R"({"group": 0})");
        row("mx", "{}");
        row("nvfp4", "{}");
        row("nf", R"({"group": 32, "double_quant": true})");
        row("ggml", R"({"type": "q8_0"})");
        row("ternary", "{}");
        row("gaussian", R"({"group": -1})");
        row("power", R"({"group": 0})");
        row("bdr", "{}");
        row("int_two_level", R"({"group": 16})");
        row("bcq", R"({"bits": 3, "group": 32})");
    }
    void tokensAreIndependent() {
        QFETCH(QString, codec);
        QFETCH(QString, params);
        const RowRounder rounder(makeCodec(codec.toStdString(), nlohmann::json::parse(params.toStdString())));
        const Matrix x = matrixOf(levelGolden()["weights"]);
        Matrix together = x.clone();
        QS_VERIFY_OK(rounder.round(together.view()));
        for (size_t r = 0; r < x.rows(); ++r) {
            Matrix alone(1, x.cols());
            std::copy_n(x.row(r), x.cols(), alone.data());
            // The same as the format's own nearest values of that row.
            const auto q = quantizeToNearest(alone.view(), rounder.codec(), {}, JobContext());
            QS_VERIFY_OK(q);
            const Matrix expected = rounder.codec().dequantize(*q);
            for (size_t c = 0; c < x.cols(); ++c)
                QCOMPARE(together(r, c), expected(0, c));
        }
    }

    void refusals() {
        const RowRounder rounder(makeCodec("mx", {}));
        Matrix odd(1, 33);
        const auto length = rounder.round(odd.view());
        QVERIFY(!length && length.error().message.find("33") != std::string::npos);
        Matrix x(3, 32);
        x(2, 7) = INFINITY;
        const auto infinite = rounder.round(x.view());
        QVERIFY(!infinite && infinite.error().message.find("token 2") != std::string::npos);
    }
};

QS_TEST(RowRounderTest)
#include "tst_row_rounder.moc"
