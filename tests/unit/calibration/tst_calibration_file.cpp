// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/calibration.h"
#include "core/hdf5/h5_file.h"
#include "tests/support/qs_test.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

constexpr size_t kChannels = 40;

TokenWindows someTokens() {
    TokenWindows t(3, 5);
    for (size_t i = 0; i < t.size(); ++i)
        t.data()[i] = int32_t(i * i);
    return t;
}

CalibrationInfo someInfo(const TokenWindows& tokens) {
    CalibrationInfo info;
    info.modelFingerprint = std::string(64, 'a');
    info.tokenizerFingerprint = std::string(64, 'b');
    info.source = "müesli.txt";
    info.fingerprint = calibrationFingerprint(tokens, info.modelFingerprint, info.tokenizerFingerprint);
    info.seed = 0xfedcba9876543210u;
    info.createdUtc = "2026-01-02T03:04:05Z";
    info.appVersion = "0.1.0";
    return info;
}

Matrix activations(size_t rows, unsigned seed) {
    Matrix m(rows, kChannels);
    std::mt19937 random(seed);
    std::normal_distribution<float> gauss;
    for (float& v : m.span())
        v = gauss(random);
    return m;
}

struct Site {
    SiteRecord record;
    MatrixD sigma{kChannels, kChannels};
};

Site someSite(const std::string& name, unsigned seed) {
    Site s;
    const Matrix x = activations(30, seed);
    ChannelAccumulator a(kChannels);
    a.add(x.view());
    s.record.site = name;
    s.record.channels = kChannels;
    s.record.tokens = 30;
    s.record.stats = a.result();
    s.record.sample = x.clone();
    for (size_t t = 0; t < 30; ++t)
        for (size_t i = 0; i < kChannels; ++i)
            for (size_t j = 0; j < kChannels; ++j)
                s.sigma(i, j) += double(x(t, i)) * double(x(t, j));
    return s;
}

template<class T>
bool same(const MatrixT<T>& a, const MatrixT<T>& b) {
    return a.rows() == b.rows() && a.cols() == b.cols() &&
           std::equal(a.span().begin(), a.span().end(), b.data());
}

const std::vector<std::string> kSites = {"layers.0.mlp", "layers.0.attn", "layers.10.attn", "odd/name%"};

Result<void> writeExample(const fs::path& path) {
    const TokenWindows tokens = someTokens();
    QS_TRY(auto w, CalibrationWriter::begin(path, someInfo(tokens), tokens));
    for (size_t i = 0; i < kSites.size(); ++i) {
        const Site s = someSite(kSites[i], unsigned(i));
        QS_CHECK(w->addSite(s.record, s.sigma));
    }
    return w->commit();
}

/// A file made by hand with one thing wrong.
struct Broken {
    const char* what;
    int64_t version = 1;
    bool tokens = true, sigma = true, statRows9 = true;
    double sigmaValue = 1;
    size_t triangle = 0; ///< so many values instead of the matrix; 3 are right
    float statValue = 1;
    int64_t sites = 1, index = 0, channels = 2;
    const char* fingerprint = nullptr;
    const char* site = "s";
    const char* expected = "";
};

Result<void> writeBroken(const fs::path& path, const Broken& b) {
    const TokenWindows tokens = someTokens();
    const std::string real = calibrationFingerprint(tokens, "m", "t");
    QS_TRY(auto w, H5Writer::begin(path));
    QS_CHECK(w->attribute("/", "schema", "quantoscope-calibration"));
    QS_CHECK(w->attribute("/", "schema_version", b.version));
    const std::pair<const char*, std::string> texts[] = {
        {"model_fingerprint", "m"},
        {"tokenizer_fingerprint", "t"},
        {"fingerprint", b.fingerprint ? b.fingerprint : real},
        {"source", ""},
        {"created_utc", ""},
        {"app_version", ""}};
    for (const auto& [key, value] : texts)
        QS_CHECK(w->attribute("/", key, value));
    QS_CHECK(w->attribute("/", "seed", int64_t(1)));
    QS_CHECK(w->attribute("/", "site_count", b.sites));
    if (b.tokens) QS_CHECK(w->matrix("/tokens", tokens, H5Filter::Compress));
    QS_CHECK(w->group("/sites/s"));
    QS_CHECK(w->attribute("/sites/s", "site", b.site));
    const std::pair<const char*, int64_t> numbers[] = {{"index", b.index},
                                                       {"channels", b.channels},
                                                       {"tokens", 9},
                                                       {"samples", 9},
                                                       {"exact_percentiles", 0}};
    for (const auto& [key, value] : numbers)
        QS_CHECK(w->attribute("/sites/s", key, value));
    Matrix stats(b.statRows9 ? 9 : 8, 2);
    std::fill_n(stats.data(), stats.size(), 1.0f);
    stats(1, 1) = b.statValue;
    QS_CHECK(w->matrix("/sites/s/stats", stats, H5Filter::Compress));
    QS_CHECK(w->matrix("/sites/s/sample", Matrix(1, 2), H5Filter::Compress));
    MatrixD sigma(2, 2);
    sigma(0, 0) = sigma(1, 1) = b.sigmaValue;
    if (b.triangle > 0)
        QS_CHECK(w->array<double>("/sites/s/sigma", std::vector<double>(b.triangle, 1.0), {b.triangle},
                                  H5Filter::Checksum));
    else if (b.sigma)
        QS_CHECK(w->matrix("/sites/s/sigma", sigma, H5Filter::Checksum));
    return w->commit();
}

/// A checkpoint of one tensor, and a tokenizer that knows only its fingerprint.
class OneTensor final : public TensorSource {
public:
    Result<void> readRows(size_t, uint64_t, MatrixView) const override { return {}; }
    Result<std::span<const std::byte>> rawBytes(size_t) const override {
        return std::as_bytes(std::span(data));
    }
    std::vector<float> data{1, 2, 3, 4};
};

class NamedTokenizer final : public Tokenizer {
public:
    explicit NamedTokenizer(std::string fingerprint) : fingerprint_(std::move(fingerprint)) {}
    Result<std::vector<int>> encode(std::string_view text, bool addSpecial) const override {
        std::vector<int> ids;
        if (addSpecial) ids.push_back(1);
        for (const char c : text)
            ids.push_back(c);
        return ids;
    }
    Result<std::string> decode(const std::vector<int>&, bool) const override { return std::string(); }
    std::string piece(int) const override { return {}; }
    std::string display(int) const override { return {}; }
    int vocabularySize() const override { return 256; }
    int bosId() const override { return 1; }
    int eosId() const override { return -1; }
    std::string description() const override { return "test"; }
    std::string fingerprint() const override { return fingerprint_; }

private:
    std::string fingerprint_;
};

std::shared_ptr<const Model> makeModel(const fs::path& root, const std::string& tensor,
                                       std::shared_ptr<const Tokenizer> tokenizer) {
    std::ofstream(root / "w.bin") << "0123456789abcdef";
    TensorInfo info{tensor, DType::F32, {2, 2}, 16, "w.bin"};
    auto checkpoint = std::make_shared<const Checkpoint>(root, "test", std::vector{info},
                                                         std::make_unique<OneTensor>(), nullptr);
    return std::make_shared<const Model>(checkpoint, std::nullopt, "a test", std::move(tokenizer), "");
}

} // namespace

class CalibrationFile : public QObject {
    Q_OBJECT
private slots:
    void roundTrip() {
        const fs::path path = scratchDir("calibration") / "c.h5";
        QS_VERIFY_OK(writeExample(path));
        auto opened = Calibration::open(path);
        QS_VERIFY_OK(opened);
        const Calibration& c = **opened;
        const TokenWindows tokens = someTokens();
        const CalibrationInfo info = someInfo(tokens);
        QVERIFY(same(c.tokens(), tokens));
        QCOMPARE(c.info().modelFingerprint, info.modelFingerprint);
        QCOMPARE(c.info().tokenizerFingerprint, info.tokenizerFingerprint);
        QCOMPARE(c.info().fingerprint, info.fingerprint);
        QCOMPARE(c.info().source, info.source);
        QCOMPARE(c.info().seed, info.seed);
        QCOMPARE(c.info().createdUtc, info.createdUtc);
        QCOMPARE(c.info().appVersion, info.appVersion);
        QCOMPARE(c.sites().size(), kSites.size());
        for (size_t i = 0; i < kSites.size(); ++i) {
            const Site s = someSite(kSites[i], unsigned(i));
            const SiteRecord& r = c.sites()[i]; // the order of writing
            QCOMPARE(r.site, kSites[i]);
            QCOMPARE(c.find(kSites[i]), &r);
            QCOMPARE(r.tokens, uint64_t(30));
            QCOMPARE(r.stats.samples, uint64_t(30));
            QVERIFY(!r.stats.exactPercentiles);
            QCOMPARE(r.stats.min, s.record.stats.min);
            QCOMPARE(r.stats.stddev, s.record.stats.stddev);
            QCOMPARE(r.stats.kurtosis, s.record.stats.kurtosis);
            QCOMPARE(r.stats.p999, s.record.stats.p999);
            QVERIFY(same(r.sample, s.record.sample));
            const auto sigma = c.sigma(kSites[i]);
            QS_VERIFY_OK(sigma);
            QVERIFY(same(*sigma, s.sigma));
            // Half of it is stored.
            const auto stored =
                (*H5Reader::open(c.file()))->shape("/sites/" + h5EscapeName(kSites[i]) + "/sigma");
            QVERIFY(*stored == H5Shape{kChannels * (kChannels + 1) / 2});
        }
        QVERIFY(!c.find("layers.1.attn"));
        QVERIFY(c.sigma("layers.1.attn").error().code == ErrorCode::NotFound);
    }

    void interruptedLeavesNothing() {
        const fs::path folder = scratchDir("calibration-cut");
        const TokenWindows tokens = someTokens();
        {
            auto w = CalibrationWriter::begin(folder / "c.h5", someInfo(tokens), tokens);
            QS_VERIFY_OK(w);
            const Site s = someSite("a", 1);
            QS_VERIFY_OK((*w)->addSite(s.record, s.sigma));
            QVERIFY(!fs::exists(folder / "c.h5"));
        }
        QVERIFY(fs::is_empty(folder));
    }

    void writerRules() {
        const fs::path folder = scratchDir("calibration-rules");
        const TokenWindows tokens = someTokens();
        CalibrationInfo wrong = someInfo(tokens);
        wrong.modelFingerprint = "another";
        QVERIFY(!CalibrationWriter::begin(folder / "c.h5", wrong, tokens));
        QVERIFY(!CalibrationWriter::begin(folder / "c.h5", someInfo(TokenWindows()), TokenWindows()));
        auto w = CalibrationWriter::begin(folder / "c.h5", someInfo(tokens), tokens);
        QS_VERIFY_OK(w);
        const auto refused = [&](const std::function<void(Site&)>& change) {
            Site s = someSite("a", 1);
            change(s);
            const auto r = (*w)->addSite(s.record, s.sigma);
            return !r && r.error().code == ErrorCode::InvalidArgument &&
                   r.error().describe().find("site ") == 0;
        };
        QVERIFY(refused([](Site& s) { s.record.site.clear(); }));
        QVERIFY(refused([](Site& s) { s.record.channels = 39; }));
        QVERIFY(refused([](Site& s) { s.record.stats.p99.pop_back(); }));
        QVERIFY(refused([](Site& s) { s.record.sample = Matrix(65, kChannels); }));
        QVERIFY(refused([](Site& s) { s.sigma = MatrixD(kChannels, 3); }));
        QVERIFY(refused([](Site& s) { s.sigma(3, 4) = std::numeric_limits<double>::quiet_NaN(); }));
        QVERIFY(refused([](Site& s) { s.sigma(3, 3) = -1; }));
        QVERIFY(refused([](Site& s) { s.record.stats.mean[2] = std::numeric_limits<float>::infinity(); }));
        const Site s = someSite("a", 1);
        QS_VERIFY_OK((*w)->addSite(s.record, s.sigma));
        QVERIFY(refused([](Site&) {})); // twice
    }

    void refusedForAnotherModel() {
        const fs::path folder = scratchDir("calibration-model");
        const auto tokenizer = std::make_shared<const NamedTokenizer>(std::string(64, '7'));
        const auto model = makeModel(folder, "w", tokenizer), other = makeModel(folder, "v", tokenizer);
        const auto retokenized =
            makeModel(folder, "w", std::make_shared<const NamedTokenizer>(std::string(64, '8')));
        const auto untokenized = makeModel(folder, "w", nullptr);
        const std::string mine = model->checkpoint().fingerprint().value(),
                          theirs = other->checkpoint().fingerprint().value();
        const TokenWindows tokens = someTokens();
        CalibrationInfo info = someInfo(tokens);
        info.modelFingerprint = mine;
        info.tokenizerFingerprint = tokenizer->fingerprint();
        info.fingerprint = calibrationFingerprint(tokens, mine, info.tokenizerFingerprint);
        auto w = CalibrationWriter::begin(folder / "c.h5", info, tokens);
        QS_VERIFY_OK(w);
        QS_VERIFY_OK((*w)->commit());
        const auto c = Calibration::open(folder / "c.h5");
        QS_VERIFY_OK(c);
        QS_VERIFY_OK((*c)->requireFor(*model));
        const auto names = [&](const Model& m, const std::string& a, const std::string& b) {
            const auto r = (*c)->requireFor(m);
            return !r && r.error().code == ErrorCode::InvalidArgument &&
                   r.error().message.find(a) != std::string::npos &&
                   r.error().message.find(b) != std::string::npos;
        };
        QVERIFY(names(*other, mine.substr(0, 16), theirs.substr(0, 16)));
        QVERIFY(names(*retokenized, std::string(16, '7'), std::string(16, '8')));
        QVERIFY(names(*untokenized, std::string(16, '7'), "none"));
    }

    void brokenFiles() {
        const fs::path path = scratchDir("calibration-broken") / "c.h5";
        QS_VERIFY_OK(writeBroken(path, {.what = "nothing"}));
        QS_VERIFY_OK(Calibration::open(path));
        const float inf = std::numeric_limits<float>::infinity();
        const Broken cases[] = {
            {.what = "version", .version = 7, .expected = "schema version 7, this program reads 1 to 2"},
            {.what = "tokens", .tokens = false, .expected = "/tokens: the object is missing"},
            {.what = "sigma", .sigma = false, .expected = "/sites/s/sigma: the object is missing"},
            {.what = "triangle",
             .triangle = 4,
             .expected = "sigma must be float64 [3], or [2, 2] in older files"},
            {.what = "stats", .statRows9 = false, .expected = "shape is [8, 2], expected [9, 2]"},
            {.what = "stat", .statValue = inf, .expected = "stats[1, 1] is inf"},
            {.what = "count", .sites = 2, .expected = "1 sites are present, site_count is 2"},
            {.what = "index", .index = 1, .expected = "'index' is 1, expected 0 .. 0"},
            {.what = "channels", .channels = 3, .expected = "expected [9, 3]"},
            {.what = "many", .channels = int64_t(1) << 40, .expected = "'channels' is 1099511627776"},
            {.what = "fingerprint", .fingerprint = "1234", .expected = "the fingerprint is 1234"},
            {.what = "site", .site = "other", .expected = "the group holds site 'other'"}};
        for (const Broken& b : cases) {
            QS_VERIFY_OK(writeBroken(path, b));
            const auto c = Calibration::open(path);
            QVERIFY2(!c, b.what);
            const std::string text = c.error().describe();
            QVERIFY2(text.find(b.expected) != std::string::npos && text.find("c.h5") != std::string::npos,
                     text.c_str());
        }
    }

    void badSigmaIsFoundWhenRead() {
        const fs::path path = scratchDir("calibration-nan") / "c.h5";
        for (const double value : {std::numeric_limits<double>::quiet_NaN(), -2.0}) {
            QS_VERIFY_OK(writeBroken(path, {.what = "sigma", .sigmaValue = value}));
            const auto c = Calibration::open(path);
            QS_VERIFY_OK(c);
            const auto sigma = (*c)->sigma("s");
            QVERIFY(!sigma);
            QVERIFY(sigma.error().code == ErrorCode::Corrupt);
            QVERIFY(sigma.error().describe().find("sigma[0, 0]") != std::string::npos);
        }
    }

    void replacedWhileOpen() {
        const fs::path path = scratchDir("calibration-replaced") / "c.h5";
        QS_VERIFY_OK(writeExample(path));
        const auto c = Calibration::open(path);
        QS_VERIFY_OK(c);
        QS_VERIFY_OK(writeBroken(path, {.what = "nothing"}));
        const auto sigma = (*c)->sigma(kSites[0]);
        QVERIFY(!sigma);
        QVERIFY(sigma.error().message.find("replaced") != std::string::npos);
    }

    // Truncation and flipped bytes: an error or the same values, never a crash or other values.
    void damagedFiles() {
        const fs::path folder = scratchDir("calibration-damaged"), path = folder / "c.h5";
        QS_VERIFY_OK(writeExample(path));
        std::ifstream in(path, std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
        const Site expected = someSite(kSites[1], 1);
        std::mt19937 random(3);
        for (int i = 0; i < 150; ++i) {
            std::string damaged = bytes;
            if (i % 5 == 0)
                damaged.resize(random() % bytes.size());
            else
                damaged[random() % bytes.size()] ^= char(1 + random() % 255);
            std::ofstream(folder / "d.h5", std::ios::binary) << damaged;
            const auto c = Calibration::open(folder / "d.h5");
            QVERIFY(!(c && i % 5 == 0));
            if (!c) continue;
            QVERIFY(same((*c)->tokens(), someTokens()));
            QCOMPARE((*c)->find(kSites[1])->stats.absmax, expected.record.stats.absmax);
            const auto sigma = (*c)->sigma(kSites[1]);
            if (sigma) QVERIFY(same(*sigma, expected.sigma));
        }
    }
};

class Windows : public QObject {
    Q_OBJECT
private slots:
    void cut() {
        const std::vector<int> stream = {1, 2, 3, 4, 5, 6, 7};
        const auto w = cutWindows(stream, 3, 0);
        QS_VERIFY_OK(w);
        QCOMPARE(w->rows(), size_t(2));
        QCOMPARE((*w)(0, 0), 1);
        QCOMPARE((*w)(1, 2), 6); // the tail is dropped
        QCOMPARE(cutWindows(stream, 3, 1)->rows(), size_t(1));
        QCOMPARE(cutWindows(stream, 7, 9)->rows(), size_t(1));
        const auto none = cutWindows(stream, 8, 0);
        QVERIFY(!none);
        QVERIFY(none.error().code == ErrorCode::InvalidArgument);
        QVERIFY(none.error().message.find("7 tokens") != std::string::npos);
        QVERIFY(!cutWindows(stream, 0, 0));
    }

    void fromText() {
        const NamedTokenizer tokenizer("x");
        const auto w = windowsFromText(tokenizer, "abcde", 3, 0);
        QS_VERIFY_OK(w);
        QCOMPARE(w->rows(), size_t(2));
        QCOMPARE((*w)(0, 0), 1); // BOS once
        QCOMPARE((*w)(0, 1), int('a'));
        QCOMPARE((*w)(1, 0), int('c'));
    }

    void fromNpy() {
        const fs::path folder = scratchDir("windows-npy");
        const auto write = [&](const char* name, const std::string& shape,
                               const std::vector<int32_t>& values) {
            std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': " + shape + ", }";
            header.resize(117, ' ');
            header += '\n';
            std::ofstream out(folder / name, std::ios::binary);
            out << std::string("\x93NUMPY\x01\x00\x76\x00", 10) << header;
            out.write(reinterpret_cast<const char*>(values.data()), long(values.size() * 4));
        };
        write("two.npy", "(2, 3)", {1, 2, 3, 4, 5, 6});
        write("one.npy", "(4,)", {7, 8, 9, 10});
        write("three.npy", "(1, 1, 2)", {1, 2});
        write("empty.npy", "(0, 3)", {});
        const auto two = windowsFromNpy(folder / "two.npy");
        QS_VERIFY_OK(two);
        QCOMPARE(two->rows(), size_t(2));
        QCOMPARE((*two)(1, 0), 4);
        const auto one = windowsFromNpy(folder / "one.npy");
        QS_VERIFY_OK(one);
        QCOMPARE(one->rows(), size_t(1));
        QCOMPARE((*one)(0, 3), 10);
        for (const char* name : {"three.npy", "empty.npy"}) {
            const auto r = windowsFromNpy(folder / name);
            QVERIFY(!r);
            QVERIFY(r.error().describe().find(name) != std::string::npos);
        }
        QVERIFY(!windowsFromNpy(folder / "none.npy"));
    }

    void checkedAgainstTheVocabulary() {
        TokenWindows t(2, 3);
        QS_VERIFY_OK(checkTokens(t, 1));
        t(1, 2) = 100;
        QS_VERIFY_OK(checkTokens(t, 101));
        const auto r = checkTokens(t, 100);
        QVERIFY(!r);
        QVERIFY(r.error().message.find("token [1, 2] is 100") != std::string::npos);
        t(0, 1) = -1;
        QVERIFY(checkTokens(t, 200).error().message.find("[0, 1] is -1") != std::string::npos);
    }

    void fingerprintSeesEverything() {
        const TokenWindows t = someTokens();
        TokenWindows changed = t.clone(), reshaped(5, 3);
        changed(2, 4) += 1;
        std::copy_n(t.data(), t.size(), reshaped.data());
        const std::string f = calibrationFingerprint(t, "m", "t");
        QCOMPARE(f.size(), size_t(64));
        QCOMPARE(calibrationFingerprint(t.clone(), "m", "t"), f);
        for (const std::string& g :
             {calibrationFingerprint(changed, "m", "t"), calibrationFingerprint(reshaped, "m", "t"),
              calibrationFingerprint(t, "n", "t"), calibrationFingerprint(t, "m", "u")})
            QVERIFY(g != f);
    }
};

QS_TEST(CalibrationFile)
QS_TEST(Windows)
#include "tst_calibration_file.moc"
