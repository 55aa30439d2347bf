// SPDX-License-Identifier: Apache-2.0
// 4-bit inputs: the share that is lost against plain loops, and a verdict of every kind from a calibration
// made for it.
#include "core/quant/transform/rotation.h"
#include "core/report/four_bit_inputs.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

namespace {

constexpr size_t kChannels = 256, kTokens = 64;

Matrix normal(unsigned seed) {
    Matrix m(kTokens, kChannels);
    std::mt19937 random(seed);
    std::normal_distribution<float> gauss;
    for (float& v : m.span())
        v = gauss(random);
    return m;
}

/// One channel 16 times as large as the others everywhere.
Matrix outlierChannel() {
    Matrix m = normal(2);
    for (size_t t = 0; t < kTokens; ++t)
        m(t, 7) += 16;
    return m;
}

/// The channel R^T e_0, which a rotation by R makes an outlier.
std::vector<float> turnedBack() {
    Matrix one(kChannels, kChannels);
    for (size_t i = 0; i < kChannels; ++i)
        one(i, i) = 1;
    Rotation::hadamard(kChannels, 0).turn(one.view()); // row i is R e_i
    std::vector<float> out(kChannels);
    for (size_t i = 0; i < kChannels; ++i)
        out[i] = one(i, 0);
    return out;
}

/// Outliers before and behind the rotation, the former in another channel of every token.
Matrix outliersEitherWay() {
    Matrix m = normal(3);
    const std::vector<float> back = turnedBack();
    for (size_t t = 0; t < kTokens; ++t) {
        m(t, 4 * t) += 20;
        for (size_t c = 0; c < kChannels; ++c)
            m(t, c) += 20 * back[c];
    }
    return m;
}

/// x' by plain loops: x' = s round(x / s) with s = max |x| / 7 of the token, on x / factors.
std::vector<double> rounded(const float* x, size_t n, const std::vector<float>& factors) {
    std::vector<double> out(n);
    double largest = 0;
    for (size_t c = 0; c < n; ++c) {
        out[c] = double(x[c]) / (factors.empty() ? 1 : double(factors[c]));
        largest = std::max(largest, std::fabs(out[c]));
    }
    for (size_t c = 0; c < n; ++c)
        out[c] = largest / 7 * std::round(out[c] * 7 / largest) * (factors.empty() ? 1 : double(factors[c]));
    return out;
}

/// The share of the outputs' energy that is lost, mean over tokens.
double lost(const Matrix& x, const Matrix& w, const std::vector<float>& factors = {}) {
    double sum = 0;
    for (size_t t = 0; t < x.rows(); ++t) {
        const std::vector<double> to = rounded(x.row(t), x.cols(), factors);
        double gone = 0, all = 0;
        for (size_t o = 0; o < w.rows(); ++o) {
            double y = 0, d = 0;
            for (size_t c = 0; c < x.cols(); ++c) {
                y += double(x(t, c)) * double(w(o, c));
                d += (double(x(t, c)) - to[c]) * double(w(o, c));
            }
            gone += d * d;
            all += y * y;
        }
        sum += gone / all;
    }
    return sum / double(x.rows());
}

Matrix identity(size_t n) {
    Matrix m(n, n);
    for (size_t i = 0; i < n; ++i)
        m(i, i) = 1;
    return m;
}

bool near(double a, double b) {
    return std::fabs(a - b) <= 0.002 * std::fabs(b); // a value in the middle may fall either way
}

} // namespace

class FourBitInputs : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;

    Result<std::shared_ptr<const Calibration>> calibration(const std::map<std::string, Matrix>& samples,
                                                           const char* name) {
        const TokenWindows tokens(2, 32);
        CalibrationInfo info;
        QS_TRY(info.modelFingerprint, m_model->checkpoint().fingerprint());
        info.fingerprint = calibrationFingerprint(info, tokens);
        const auto file = scratchDir(name) / "c.h5";
        QS_TRY(auto writer, CalibrationWriter::begin(file, info, tokens));
        for (const auto& [site, sample] : samples) {
            ChannelAccumulator stats(sample.cols());
            stats.add(sample.view());
            SiteRecord r;
            r.site = site;
            r.channels = sample.cols();
            r.tokens = sample.rows();
            r.stats = stats.result();
            r.sample = sample.clone();
            QS_CHECK(writer->addSite(r, MatrixD(sample.cols(), sample.cols())));
        }
        QS_CHECK(writer->commit());
        return Calibration::open(file);
    }

    std::vector<std::string> sitesInOrder() const {
        std::vector<std::string> out;
        for (const LinearSpec* l : m_model->spec().blocks[0].linears())
            if (std::find(out.begin(), out.end(), l->site) == out.end()) out.push_back(l->site);
        return out;
    }

    /// 64 rows, evenly spaced, of each linear.
    Matrix rowsOf(const std::vector<std::string>& roles) const {
        std::vector<std::vector<float>> rows;
        for (const QuantTarget& t : m_model->targets()) {
            if (std::find(roles.begin(), roles.end(), t.role) == roles.end()) continue;
            const auto w = m_model->readTarget(t);
            for (size_t i = 0; w && i < 64; ++i) {
                const float* row = w->row(i * t.rows / 64);
                rows.emplace_back(row, row + t.cols);
            }
        }
        Matrix out(rows.size(), kChannels);
        for (size_t r = 0; r < rows.size(); ++r)
            std::copy(rows[r].begin(), rows[r].end(), out.row(r));
        return out;
    }

private slots:
    void initTestCase() {
        SmallModelShape shape;
        shape.hidden = shape.intermediate = kChannels;
        shape.blocks = 1;
        const auto folder = scratchDir("four-bit-model");
        QS_VERIFY_OK(writeSmallModel(folder, shape, smallConfig(shape)));
        auto model = openModel(folder);
        QS_VERIFY_OK(model);
        m_model = *model;
    }

    void shareOfARow() {
        // Steps of 1: 0.4 and -3.6 become 0 and -4. A token of zeros has nothing to lose.
        Matrix x(2, 4);
        const float row[] = {7, 1, 0.4f, -3.6f};
        std::copy(row, row + 4, x.row(0));
        const auto share = lostInFourBits(x.view(), identity(4).view());
        QS_VERIFY_OK(share);
        QVERIFY(std::fabs(*share - 0.32 / (49 + 1 + 0.16 + 12.96)) <= 1e-7);
        // An output that reads the third channel alone loses all of it; of the second, nothing.
        Matrix third(1, 4), second(1, 4);
        third(0, 2) = second(0, 1) = 3;
        QVERIFY(std::fabs(*lostInFourBits(x.view(), third.view()) - 1) <= 1e-6);
        QCOMPARE(*lostInFourBits(x.view(), second.view()), 0.0);
        // Channel 0 divided by 7: the largest is 3.6, a step 3.6 / 7.
        const auto smoothed = lostInFourBits(x.view(), identity(4).view(), {7, 1, 1, 1});
        QS_VERIFY_OK(smoothed);
        const double s = 3.6 / 7, a = 7 * (1 - 2 * s), b = 1 - 2 * s, c = 0.4 - s;
        QVERIFY(std::fabs(*smoothed - (a * a + b * b + c * c) / 63.12) <= 1e-6);
        QVERIFY(std::isnan(*lostInFourBits(Matrix(2, 4).view(), identity(4).view())));
    }

    /// Next to a channel that is large enough the others become 0: the inputs lose little, the outputs all.
    void outputsCount() {
        Matrix x = normal(5);
        for (size_t t = 0; t < kTokens; ++t)
            x(t, 0) = 1000;
        Matrix w = identity(kChannels);
        w(0, 0) = 0.001f; // a model that makes up for it
        QVERIFY(*lostInFourBits(x.view(), identity(kChannels).view()) < 0.001);
        QVERIFY(*lostInFourBits(x.view(), w.view()) > 0.9);
    }

    void normalInputsLoseLittle() {
        const Matrix x = normal(1);
        const auto share = lostInFourBits(x.view(), identity(kChannels).view());
        QS_VERIFY_OK(share);
        QVERIFY(near(*share, lost(x, identity(kChannels))));
        // The largest of 256 is about 2.9 standard deviations: (2.9 / 7)^2 / 12 = 0.0143.
        QVERIFY2(*share > 0.011 && *share < 0.018, std::to_string(*share).c_str());
        QVERIFY(*share < kFourBitLimit);
    }

    void everyVerdict() {
        const std::vector<std::string> sites = sitesInOrder();
        QCOMPARE(sites.size(), size_t(4));
        std::map<std::string, Matrix> named;
        named[sites[0]] = normal(1);
        named[sites[1]] = outlierChannel();
        named[sites[2]] = outliersEitherWay();
        const auto c = calibration(named, "four-bit");
        QS_VERIFY_OK(c);
        const auto report = fourBitInputs(*m_model, **c, {});
        QS_VERIFY_OK(report);
        QCOMPARE(report->sites.size(), size_t(4));
        QVERIFY2(report->noRotation.empty(), report->noRotation.c_str());
        const FourBitSite &attention = report->sites[0], &o = report->sites[1], &mlp = report->sites[2],
                          &down = report->sites[3];
        QCOMPARE(attention.linears, std::string("q, k, v"));
        QVERIFY(attention.verdict == FourBitVerdict::AsItIs);
        QVERIFY(near(attention.plain, lost(named[sites[0]], rowsOf({"q", "k", "v"}))));
        QVERIFY(attention.kurtosis > 2.8 && attention.kurtosis < 3.2);
        QVERIFY2(o.verdict == FourBitVerdict::Smoothed, o.rule.c_str());
        QVERIFY2(o.folds && o.plain > 0.15 && o.outlierRatio > 4, o.rule.c_str());
        const Matrix w = rowsOf({"o"});
        std::vector<float> factors(kChannels);
        for (size_t ch = 0; ch < kChannels; ++ch) {
            float x = 0, weight = 0;
            for (size_t t = 0; t < kTokens; ++t)
                x = std::max(x, std::fabs(named[sites[1]](t, ch)));
            for (size_t r = 0; r < w.rows(); ++r)
                weight = std::max(weight, std::fabs(w(r, ch)));
            factors[ch] = std::sqrt(x / weight);
        }
        QVERIFY(near(o.smoothed, lost(named[sites[1]], w, factors)));
        QVERIFY2(mlp.verdict == FourBitVerdict::NotInFour, mlp.rule.c_str());
        QVERIFY(mlp.plain > kFourBitLimit && mlp.rotated > kFourBitLimit);
        QVERIFY(down.verdict == FourBitVerdict::NotKnown && down.activation == "silu" && !down.rotates);
        QVERIFY(report->verdict == FourBitVerdict::NotInFour); // the worst that is known
        QCOMPARE(report->count(FourBitVerdict::AsItIs), size_t(1));
        QVERIFY(report->causal && report->published.starts_with("decoders"));
    }

    /// What smoothing cannot help but a rotation can: the outlier is in another channel of every token.
    void rotations() {
        const std::vector<std::string> sites = sitesInOrder();
        Matrix moving = normal(4);
        for (size_t t = 0; t < kTokens; ++t)
            moving(t, 4 * t) += 24;
        std::map<std::string, Matrix> named;
        named[sites[0]] = moving.clone();
        named[sites[3]] = std::move(moving);
        const auto c = calibration(named, "four-bit-rotated");
        QS_VERIFY_OK(c);
        const auto report = fourBitInputs(*m_model, **c, {});
        QS_VERIFY_OK(report);
        QVERIFY2(report->sites[0].verdict == FourBitVerdict::Rotated, report->sites[0].rule.c_str());
        QVERIFY2(report->sites[3].verdict == FourBitVerdict::RotatedInRun, report->sites[3].rule.c_str());
        QVERIFY(report->verdict == FourBitVerdict::RotatedInRun);
    }

    /// An encoder whose norms stand behind the halves: nothing takes factors or a rotation up in front of q.
    void encoder() {
        const auto folder = sourceDir() / "tests/golden/arch/bert";
        const auto model = openModel(folder);
        QS_VERIFY_OK(model);
        TokenWindows tokens(4, 16);
        for (size_t i = 0; i < tokens.size(); ++i)
            tokens.data()[i] = int32_t(i * 7 % (*model)->spec().vocabulary);
        const auto backend = makeCpuBackend(1);
        const auto c = calibrate(**model, tokens, {}, scratchDir("four-bit-bert") / "c.h5", *backend, {});
        QS_VERIFY_OK(c);
        const auto report = fourBitInputs(**model, **c, {});
        QS_VERIFY_OK(report);
        QVERIFY(!report->causal && report->published.starts_with("encoders"));
        QVERIFY(report->noRotation.find("LayerNorm") != std::string::npos);
        QVERIFY(!report->sites[0].folds && report->sites[1].folds); // v takes up what o asks for
        for (const FourBitSite& s : report->sites) {
            QVERIFY2(s.plain > 0 && s.plain < kFourBitLimit, s.rule.c_str()); // random weights: near normal
            QVERIFY(!s.rotates);
        }
        QCOMPARE(report->sites[3].activation, std::string("gelu"));
    }

    void refusals() {
        const std::vector<std::string> sites = sitesInOrder();
        std::map<std::string, Matrix> named;
        named[sites[0]] = Matrix(3, 8);
        named[sites[0]](0, 0) = 1;
        const auto c = calibration(named, "four-bit-wrong");
        QS_VERIFY_OK(c);
        const auto wrong = fourBitInputs(*m_model, **c, {});
        QVERIFY(!wrong);
        QCOMPARE(wrong.error().describe(), sites[0] + ": the calibration has 8 channels, the model 256");
        const auto other = openModel(sampleModel());
        QS_VERIFY_OK(other);
        QVERIFY(!fourBitInputs(**other, **c, {}));
    }
};

QS_TEST(FourBitInputs)
#include "tst_four_bit_inputs.moc"
