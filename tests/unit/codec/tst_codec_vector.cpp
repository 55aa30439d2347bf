// SPDX-License-Identifier: Apache-2.0
#include "core/codec/gaussian_codebook.h"
#include "core/codec/gaussian_levels.h"
#include "core/store/quantized_store.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Codec_vector : public QObject {
    Q_OBJECT

    static Result<std::shared_ptr<const Codec>> tryMake(const nlohmann::json& params) {
        const CodecDescriptor* d = *findCodec("vector");
        return d->create(*Params::fromJson(d->params, params, "test"));
    }
    static std::shared_ptr<const Codec> make(const nlohmann::json& params) { return *tryMake(params); }
    static QuantizedTensor nearest(const Layer& l, const Codec& codec) {
        auto backend = makeCpuBackend(2);
        auto q = runMethod("rtn", l, codec, *backend);
        if (!q) qFatal("%s", q.error().describe().c_str());
        return std::move(*q);
    }

private slots:
    /// Index 13 = 1101b of 2-bit codes for two rows: 01 for the first, 11 for the second; above them the
    /// residual's 2 = 10b of 1-bit parts, 0 for the first row and 1 for the second.
    void codesByHand() {
        const auto codec = make({{"bits", 2}, {"length", "2"}, {"residual", 1}});
        QuantizedTensor q;
        q.codec = "vector";
        q.codecParams = codec->params();
        q.rows = 2;
        q.cols = 1;
        q.layout = *codec->layout(2, 1);
        codec->allocateParameters(q);
        QCOMPARE(q.tables.rows(), size_t(16 + 4));
        q.scale(0, 0) = 2;
        q.scale(1, 0) = 4;
        q.tables(13, 0) = 1;
        q.tables(13, 1) = -3;
        q.tables(16 + 2, 0) = 0.25f;
        q.tables(16 + 2, 1) = 0.5f;
        q.codes = {0b001, 0b111};
        const Matrix out = codec->dequantize(q);
        QCOMPARE(out(0, 0), 2.5f);
        QCOMPARE(out(1, 0), -10.0f);
        // A part of the rows alone is the same.
        Matrix second(1, 1);
        codec->dequantizeRows(q, 1, second.view());
        QCOMPARE(second(0, 0), -10.0f);
        // These values are the only entries near them.
        const float values[] = {2.4f, -9.7f}, scale[] = {2, 4}, zero[] = {0, 0};
        uint8_t codes[2] = {};
        float rounded[2] = {};
        TensorCodec(*codec, q)->round(values, 2, scale, zero, codes, rounded);
        QCOMPARE(codes[0], q.codes[0]);
        QCOMPARE(codes[1], q.codes[1]);
        QCOMPARE(rounded[1], -10.0f);
    }
    /// Every vector has the entry with the least squared error of weights among those that it can choose.
    void indexIsNearest_data() {
        QTest::addColumn<QString>("params");
        QTest::addColumn<int>("rows");
        const auto row = [](const char* params, int rows) {
            QTest::addRow("%s, %d rows", params, rows) << params << rows;
        };
        row(R"({"bits": 2, "length": "4"})", 16);
        row(R"({"bits": 2, "length": "4"})", 18); // the last vectors have two rows
        row(R"({"bits": 1, "length": "8", "group": 16})", 5);
        row(R"({"bits": 4, "length": "2", "group": 0})", 9);
        row(R"({"bits": 3, "length": "2", "codebook": "gaussian"})", 12);
    }
    void indexIsNearest() {
        QFETCH(QString, params);
        QFETCH(int, rows);
        const auto json = nlohmann::json::parse(params.toStdString());
        const auto codec = make(json);
        const Layer l = makeLayer(size_t(rows), 64, 30, 41);
        const QuantizedTensor q = nearest(l, *codec);
        QS_VERIFY_OK(codec->checkParameters(q));
        const size_t length = codec->vectorRows();
        const int bits = json["bits"];
        const Matrix& book = q.tables.empty() ? gaussianCodebook(length, bits * int(length)) : q.tables;
        const Matrix out = codec->dequantize(q);
        for (size_t r = 0; r < q.rows; r += length)
            for (size_t c = 0; c < q.cols; ++c) {
                const size_t count = std::min(length, q.rows - r);
                double own = 0, best = INFINITY;
                for (size_t j = 0; j < count; ++j)
                    own += std::pow(double(out(r + j, c)) - double(l.weight(r + j, c)), 2);
                for (size_t i = 0; i < size_t(1) << (size_t(bits) * count); ++i) {
                    double loss = 0;
                    for (size_t j = 0; j < count; ++j) {
                        const float s = q.scale(q.parameterRow(r + j), q.groupOf(c));
                        loss += std::pow(double(s) * double(book(i, j)) - double(l.weight(r + j, c)), 2);
                    }
                    best = std::min(best, loss);
                }
                QVERIFY2(own <= best * 1.0001 + 1e-14, qPrintable(QString("%1, %2").arg(r).arg(c)));
            }
    }
    /// More in one index, or a second codebook, fits better; all better than values one by one, with the same
    /// bits of codes.
    void longerVectorsFitBetter() {
        const Layer l = makeLayer(64, 256, 30, 42);
        const auto error = [&](const Codec& codec) {
            const Matrix v = codec.dequantize(nearest(l, codec));
            double sum = 0;
            for (size_t i = 0; i < v.size(); ++i)
                sum += std::pow(double(v.data()[i]) - double(l.weight.data()[i]), 2);
            return sum;
        };
        const CodecDescriptor* gaussian = *findCodec("gaussian");
        const auto single =
            *gaussian->create(*Params::fromJson(gaussian->params, {{"bits", 2}, {"group", -1}}, "test"));
        const double one = error(*single), two = error(*make({{"bits", 2}, {"length", "2"}})),
                     four = error(*make({{"bits", 2}, {"length", "4"}})),
                     more = error(*make({{"bits", 2}, {"length", "4"}, {"residual", 1}}));
        qInfo("1: %.4g, 2: %.4g, 4: %.4g, residual: %.4g", one, two, four, more);
        QVERIFY(two < one && four < two && more < 0.5 * four);
    }
    /// Inputs that are active have more say in the codebook.
    void importanceCounts() {
        const Layer l = makeLayer(32, 64, 30, 43);
        const auto codec = make({{"bits", 1}, {"length", "4"}});
        std::vector<float> importance(64, 0.01f);
        std::fill_n(importance.begin(), 8, 100.0f);
        const auto error = [&](std::span<const float> weights) {
            QuantizedTensor q;
            q.codec = "vector";
            q.codecParams = codec->params();
            q.rows = 32;
            q.cols = 64;
            q.layout = *codec->layout(32, 64);
            q.codes.resize(32 * 64);
            codec->prepareParameters(l.weight.view(), weights, q);
            std::vector<float> values(32), scale(32), zero(32), rounded(32);
            std::vector<uint8_t> codes(32);
            const TensorCodec reader(*codec, q);
            double sum = 0;
            for (size_t c = 0; c < 8; ++c) {
                for (size_t r = 0; r < 32; ++r) {
                    values[r] = l.weight(r, c);
                    scale[r] = q.scale(r, 0);
                }
                reader->round(values.data(), 32, scale.data(), zero.data(), codes.data(), rounded.data());
                for (size_t r = 0; r < 32; ++r)
                    sum += std::pow(double(rounded[r]) - double(values[r]), 2);
            }
            return sum;
        };
        QVERIFY(error(importance) < 0.6 * error({}));
    }
    /// A vector of p normal values rounded with b bits each: less error than the best single levels, more
    /// than the rate-distortion bound 2^-2b (Shannon). Measured on other points than it was made from.
    void gaussianCodebooks_data() {
        QTest::addColumn<int>("length");
        QTest::addColumn<int>("bits");
        for (const auto& [length, bits] : {std::pair(2, 1), {2, 2}, {2, 3}, {2, 4}, {4, 1}, {4, 2}, {8, 1}})
            QTest::addRow("%d of %d bits", length, bits) << length << bits;
    }
    void gaussianCodebooks() {
        QFETCH(int, length);
        QFETCH(int, bits);
        const Matrix& book = gaussianCodebook(size_t(length), length * bits);
        QCOMPARE(book.rows(), size_t(1) << (length * bits));
        std::mt19937_64 random(9);
        constexpr int kPoints = 20000;
        double sum = 0;
        std::vector<double> x(static_cast<size_t>(length));
        for (int i = 0; i < kPoints; ++i) {
            for (double& v : x)
                v = gaussian(random);
            double best = INFINITY;
            for (size_t k = 0; k < book.rows(); ++k) {
                double d = 0;
                for (size_t j = 0; j < x.size(); ++j)
                    d += std::pow(x[j] - double(book(k, j)), 2);
                best = std::min(best, d);
            }
            sum += best;
        }
        const double error = sum / kPoints / length, single = gaussianError(lloydMaxLevels(bits)),
                     bound = std::pow(2.0, -2 * bits);
        qInfo("%.5f, single %.5f, bound %.5f", error, single, bound);
        QVERIFY(error > bound);
        // With one bit and two values nothing is better than the corners of a square.
        if (length == 2 && bits == 1)
            QVERIFY(std::fabs(error / single - 1) < 0.02);
        else
            QVERIFY(error < 0.98 * single);
    }
    void bitsByHand() {
        // [64, 512]: 2 bits a weight, 256 vectors of 4 float16 values, 64 scales of 16 bits.
        QCOMPARE(make({{"bits", 2}, {"length", "4"}})->storedBits(64, 512)->total(),
                 uint64_t(64 * 512 * 2 + 256 * 4 * 16 + 64 * 16));
        QCOMPARE(make({{"bits", 2}, {"length", "4"}, {"residual", 1}, {"group", 128}})
                     ->storedBits(64, 512)
                     ->total(),
                 uint64_t(64 * 512 * 3 + (256 + 16) * 4 * 16 + 64 * 4 * 16));
        QCOMPARE(make({{"bits", 2}, {"length", "2"}, {"codebook", "gaussian"}})->storedBits(64, 512)->total(),
                 uint64_t(64 * 512 * 2 + 64 * 16));
        QVERIFY(!tryMake({{"bits", 4}, {"length", "4"}}));
        QVERIFY(!tryMake({{"bits", 2}, {"length", "4"}, {"residual", 4}}));
        QVERIFY(!tryMake({{"bits", 3}, {"length", "4"}, {"codebook", "gaussian"}}));
        QVERIFY(!tryMake({{"codebook", "gaussian"}, {"residual", 1}}));
    }
    void storedAndReadBack() {
        const Layer l = makeLayer(18, 64, 30, 44);
        const QTemporaryDir folder;
        const std::filesystem::path path = folder.filePath("t.h5").toStdString();
        for (const auto& codec :
             {make({{"bits", 2}, {"residual", 1}}), make({{"length", "2"}, {"codebook", "gaussian"}})}) {
            const QuantizedTensor q = nearest(l, *codec);
            QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}, {}));
            const auto back = readQuantizedTensor(path, "m");
            QS_VERIFY_OK(back);
            const Matrix a = codec->dequantize(q), b = codec->dequantize(*back);
            QVERIFY(std::equal(a.span().begin(), a.span().end(), b.span().begin()));
        }
    }
    void damageIsNamed() {
        const auto codec = make({{"bits", 2}, {"length", "2"}});
        const auto refusal = [&](auto damage) {
            QuantizedTensor q = nearest(makeLayer(4, 32, 40, 45), *codec);
            damage(q);
            const auto ok = codec->checkParameters(q);
            return ok ? std::string() : ok.error().message;
        };
        QVERIFY(refusal([](auto& q) { q.tables(1, 1) = INFINITY; }).find("tables[1, 1]") == 0);
        QVERIFY(refusal([](auto& q) { q.tables = Matrix(2, 2); }).find("tables are [2, 2]") == 0);
        QVERIFY(refusal([](auto& q) { q.scale(2, 0) = 0; }).find("scale 2") == 0);
        QVERIFY(refusal([](auto& q) { q.zero(3, 0) = 1; }).find("zero 3") == 0);
    }
    void whatCannotTakeVectorsSaysSo() {
        const auto codec = make({{"length", "2"}});
        auto backend = makeCpuBackend(1);
        const Layer l = makeLayer(8, 64, 80, 46);
        for (const char* method : {"spqr", "sparse24"}) {
            const auto q = runMethod(method, l, *codec, *backend);
            QVERIFY(!q && q.error().message.find("2 weights together") != std::string::npos);
        }
    }
    /// w' = s P d: by hand for one vector of two axes.
    void projectionByHand() {
        const auto codec = make({{"bits", 1}, {"length", "4"}, {"projection", 2}});
        QuantizedTensor q;
        q.codec = "vector";
        q.codecParams = codec->params();
        q.rows = 4;
        q.cols = 1;
        q.layout = *codec->layout(4, 1);
        codec->allocateParameters(q);
        QCOMPARE(q.tables.rows(), size_t(16 + 4));
        QCOMPARE(q.tables.cols(), size_t(2));
        q.tables(5, 0) = 2; // index 0101b: codes 1, 0, 1, 0
        q.tables(5, 1) = -1;
        const float axes[4][2] = {{1, 0}, {0.5f, 0}, {0, 1}, {0.25f, 0.5f}};
        for (size_t r = 0; r < 4; ++r) {
            q.scale(r, 0) = float(r + 1);
            q.tables(16 + r, 0) = axes[r][0];
            q.tables(16 + r, 1) = axes[r][1];
        }
        q.codes = {1, 0, 1, 0};
        const Matrix out = codec->dequantize(q);
        const float expected[] = {2, 2 * 1.0f, 3 * -1.0f, 4 * (0.5f - 0.5f)};
        for (size_t r = 0; r < 4; ++r)
            QCOMPARE(out(r, 0), expected[r]);
        QCOMPARE(codec->storedBits(4, 1)->tables, uint64_t(20 * 2 * 16));
    }
    /// Vectors that lie in a plane lose nothing to two axes, others do; three axes lose less than two.
    void projectionKeepsThePrincipalAxes() {
        Layer l = makeLayer(128, 64, 8, 71);
        const auto errorOf = [&](int axes) {
            const auto codec = make({{"bits", 2}, {"length", "4"}, {"projection", axes}, {"group", 0}});
            const QuantizedTensor q = nearest(l, *codec);
            if (!codec->checkParameters(q)) qFatal("parameters");
            return measureError(l.weight.view(), codec->dequantize(q).view(), nullptr)->weight;
        };
        const double all = errorOf(0), three = errorOf(3), two = errorOf(2);
        qInfo("all %.4g, three axes %.4g, two %.4g", all, three, two);
        QVERIFY(all < three && three < two);
        for (size_t r = 0; r < 128; r += 4)
            for (size_t c = 0; c < 64; ++c) {
                const float a = l.weight(r, c), b = l.weight(r + 1, c);
                const float plane[] = {a + b, a - b, a, 2 * b};
                for (size_t j = 0; j < 4; ++j)
                    l.weight(r + j, c) = plane[j];
            }
        const double flat = errorOf(0), projected = errorOf(2);
        qInfo("in a plane: all %.4g, two axes %.4g", flat, projected);
        QVERIFY(projected < 1.15 * flat + 1e-9);
    }
    void projectionsThatCannotBe() {
        for (const nlohmann::json& params :
             {nlohmann::json{{"length", "4"}, {"projection", 4}},
              nlohmann::json{{"length", "4"}, {"projection", 2}, {"residual", 1}},
              nlohmann::json{{"length", "4"}, {"projection", 2}, {"codebook", "gaussian"}}}) {
            const auto made = tryMake(params);
            QVERIFY(!made && made.error().message.find("projection") != std::string::npos);
        }
    }
};

QS_TEST(Codec_vector)
#include "tst_codec_vector.moc"
