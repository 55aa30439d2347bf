// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExportMemory.h"

#include <QComboBox>
#include <QCoreApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <algorithm>

namespace qs::app {

namespace {

constexpr double kMiB = double(1 << 20);
constexpr size_t kUsualContext = 8192, kLeastContext = 256;

struct Text {
    Q_DECLARE_TR_FUNCTIONS(qs::app::ExportMemory)
};

const CacheType* cacheOf(const MemoryChoice& choice) {
    for (const CacheType& c : cacheTypes())
        if (c.id == choice.cache) return &c;
    return nullptr;
}

bool opens(const RuntimeProfile& profile, const std::string& exporter) {
    return std::find(profile.exporters.begin(), profile.exporters.end(), exporter) != profile.exporters.end();
}

/// "4 blocks", or "26 blocks, 22 of them with a window of 512".
QString blocksText(const ModelSpec& model) {
    const auto windowed = std::count_if(model.blocks.begin(), model.blocks.end(),
                                        [](const BlockSpec& b) { return b.attention.reach > 0; });
    const QString blocks = Text::tr("%n blocks", nullptr, int(model.blocks.size()));
    if (windowed == 0) return blocks;
    size_t reach = 0;
    for (const BlockSpec& b : model.blocks)
        reach = std::max(reach, b.attention.reach);
    return Text::tr("%1, %2 of them with a window of %3 tokens").arg(blocks).arg(windowed).arg(reach);
}

} // namespace

const RuntimeProfile* memoryRuntime(const std::string& exporter, const MemoryChoice& choice) {
    for (const RuntimeProfile& p : runtimeProfiles())
        if ((choice.runtime.empty() || p.id == choice.runtime) && opens(p, exporter)) return &p;
    return nullptr;
}

Result<MemoryEstimate> exportMemory(const Model& model, const std::string& exporter, uint64_t weightBytes,
                                    const MemoryChoice& choice) {
    const RuntimeProfile* runtime = memoryRuntime(exporter, choice);
    if (!runtime)
        return Error::notFound(choice.runtime.empty() ? "no runtime here opens this format"
                                                      : choice.runtime + " does not open this format");
    QS_CHECK(model.requireForward());
    return estimateMemory(model.spec(), {runtime->id, weightBytes, choice.context, choice.cache});
}

QString cacheHelp(const ModelSpec& model, const MemoryEstimate& estimate, const MemoryChoice& choice) {
    const CacheType* cache = cacheOf(choice);
    if (!cache || model.blocks.empty()) return {};
    const AttentionSpec& a = model.blocks.front().attention;
    return Text::tr("Sum over blocks of 2 × key-value heads × head size × bits / 8 × tokens kept.\n"
                    "%1, %2 heads of %3, %4 bits a value, %5 tokens: %6 MiB")
        .arg(blocksText(model))
        .arg(a.kvHeads)
        .arg(a.headDim)
        .arg(ui::formatNumber(cache->bits))
        .arg(ui::groupedInteger(qint64(choice.context)), ui::formatFixed(double(estimate.cache) / kMiB, 1));
}

QString computeHelp(const MemoryEstimate& estimate, const RuntimeProfile& runtime) {
    return Text::tr(
               "An estimate: hidden values of the %1 tokens that %2 takes at once, with the wider half of a "
               "block, or with the logits, whichever is more. Give or take %3 MiB")
        .arg(ui::groupedInteger(qint64(estimate.tokensAtOnce)), QString::fromStdString(runtime.label),
             ui::formatNumber(double(estimate.computeUncertainty) / kMiB, 2));
}

ui::StackedBarDataPtr emptyMemoryBar(const QString& text) {
    auto data = std::make_shared<ui::StackedBarData>();
    data->emptyText = text;
    return data;
}

ui::StackedBarDataPtr memoryBar(const Model& model, const ExporterDescriptor& exporter, uint64_t weightBytes,
                                const MemoryChoice& choice) {
    const auto estimate = exportMemory(model, exporter.id, weightBytes, choice);
    if (!estimate) return emptyMemoryBar(QString::fromStdString(estimate.error().message));
    const RuntimeProfile& runtime = *memoryRuntime(exporter.id, choice);
    auto data = std::make_shared<ui::StackedBarData>();
    data->title = Text::tr("%1 in %2: %3 MiB")
                      .arg(QString::fromStdString(exporter.label), QString::fromStdString(runtime.label),
                           ui::formatFixed(double(estimate->total()) / kMiB, 1));
    data->unit = Text::tr("MiB");
    data->parts = {
        {Text::tr("weights"), double(estimate->weights) / kMiB, 0,
         Text::tr("The bytes of the weight files, exact.")},
        {Text::tr("KV cache"), double(estimate->cache) / kMiB, 0, cacheHelp(model.spec(), *estimate, choice)},
        {Text::tr("compute"), double(estimate->compute) / kMiB, double(estimate->computeUncertainty) / kMiB,
         computeHelp(*estimate, runtime)}};
    return data;
}

MemoryControls::MemoryControls(QWidget* parent)
    : QWidget(parent), m_context(new QComboBox), m_cache(new QComboBox) {
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(6);
    const auto add = [&](const QString& label, QComboBox* box, const char* name, const QString& help) {
        auto* words = new QLabel(label);
        words->setBuddy(box);
        box->setObjectName(QLatin1String(name));
        box->setAccessibleName(label);
        box->setToolTip(help);
        layout->addWidget(words);
        layout->addWidget(box);
        connect(box, &QComboBox::currentIndexChanged, this, &MemoryControls::changed);
    };
    add(tr("Context"), m_context, "memoryContext",
        tr("Tokens of the one sequence that memory is estimated for"));
    add(tr("KV cache"), m_cache, "memoryCache", tr("How the runtime stores keys and values"));
    setModel(nullptr);
    setRuntime({});
}

void MemoryControls::setModel(const Model* model) {
    const QSignalBlocker quiet(m_context);
    const size_t own = model && model->hasForward() ? std::min(model->spec().context, kMostContext) : 0;
    std::vector<size_t> contexts;
    for (size_t c = kLeastContext; c < own; c *= 2)
        contexts.push_back(c);
    if (own > 0) contexts.push_back(own);
    m_context->clear();
    m_context->setEnabled(own > 0);
    for (const size_t c : contexts) {
        m_context->addItem(ui::groupedInteger(qint64(c)), QVariant::fromValue(qulonglong(c)));
        if (c <= kUsualContext) m_context->setCurrentIndex(m_context->count() - 1);
    }
}

void MemoryControls::setRuntime(const std::string& runtime) {
    const QSignalBlocker quiet(m_cache);
    const QString before = m_cache->currentData().toString();
    m_runtime = runtime;
    m_cache->clear();
    for (const CacheType& c : cacheTypes()) {
        const bool everywhere = c.runtimes.size() == runtimeProfiles().size();
        const bool has = std::find(c.runtimes.begin(), c.runtimes.end(), runtime) != c.runtimes.end();
        if (runtime.empty() ? everywhere : has)
            m_cache->addItem(QString::fromStdString(c.label), QString::fromStdString(c.id));
    }
    m_cache->setCurrentIndex(std::max(0, m_cache->findData(before)));
}

MemoryChoice MemoryControls::choice() const {
    return {m_runtime, size_t(m_context->currentData().toULongLong()),
            m_cache->currentData().toString().toStdString()};
}

} // namespace qs::app
