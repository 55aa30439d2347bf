// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TracerPane.h"

#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>
#include <cmath>

namespace qs::app {

namespace {

/// "mlp.down_proj" of "layers.1.mlp.down_proj".
QString shortModule(const std::string& module) {
    const QStringList parts = QString::fromStdString(module).split(QLatin1Char('.'));
    return parts.mid(std::max(0, int(parts.size()) - 2)).join(QLatin1Char('.'));
}

QString bornText(const ResidualTrace& t, const ChannelPath& path, int channel) {
    const TracePoint& p = t.points[*path.born];
    if (p.kind == TracePoint::Kind::Embedding)
        return TracerPane::tr("in the embedding, × %1 of the median").arg(ui::formatNumber(path.jump, 3));
    const QString where =
        p.writer.empty()
            ? TracerPane::tr("experts of block %1").arg(p.block)
            : TracerPane::tr("block %1, %2 row %3").arg(p.block).arg(shortModule(p.writer)).arg(channel);
    return TracerPane::tr("%1, × %2").arg(where, ui::formatNumber(path.jump, 3));
}

QString diesText(const ResidualTrace& t, const ChannelPath& path) {
    const TracePoint& p = t.points[*path.dies];
    const QString by = p.writer.empty() ? TracerPane::tr("the experts write")
                                        : TracerPane::tr("%1 writes").arg(shortModule(p.writer));
    return path.opposed ? TracerPane::tr("block %1, %2 the opposite sign").arg(p.block).arg(by)
                        : TracerPane::tr("block %1, falls below the rule").arg(p.block);
}

int pointOfGain(const ResidualTrace& t, const NormGain& gain) {
    for (size_t i = 0; i < t.points.size(); ++i) {
        const TracePoint& p = t.points[i];
        if (gain.finalNorm ? p.kind == TracePoint::Kind::FinalNorm
                           : p.kind == TracePoint::Kind::Half && p.block == gain.block && p.half == gain.half)
            return int(i);
    }
    return -1;
}

ui::TracerLine lineOf(const ProbeTrace& trace, int channel, int slot, TokenFilter filter,
                      const MassiveRule& rule) {
    const ResidualTrace& t = trace.trace;
    const ChannelPath path = channelPath(t, size_t(channel), filter, rule);
    ui::TracerLine line;
    line.channel = channel;
    line.slot = slot;
    line.value = QVector<double>(path.value.begin(), path.value.end());
    for (const auto& normed : t.normed)
        line.normed.push_back(normed.empty() ? NAN : std::fabs(double(normed[size_t(channel)].value)));
    if (path.born) {
        line.born = int(*path.born);
        line.bornText = bornText(t, path, channel);
    }
    if (path.dies) {
        line.dies = int(*path.dies);
        line.diesText = diesText(t, path);
    }
    if (path.amplifiedBy) {
        const NormGain& gain = t.gains[*path.amplifiedBy];
        line.amplified = pointOfGain(t, gain);
        line.amplifiedText =
            gain.finalNorm
                ? TracerPane::tr("final norm, gain %1 × the median").arg(ui::formatNumber(path.gainRatio, 3))
                : TracerPane::tr("block %1, norm before %2: gain %3 × the median")
                      .arg(gain.block)
                      .arg(gain.half == BlockHalf::Attention ? TracerPane::tr("attention")
                                                             : TracerPane::tr("the feed-forward half"),
                           ui::formatNumber(path.gainRatio, 3));
    }
    return line;
}

} // namespace

QString tracePointName(const TracePoint& point) {
    switch (point.kind) {
    case TracePoint::Kind::Embedding:
        return TracerPane::tr("embedding");
    case TracePoint::Kind::FinalNorm:
        return TracerPane::tr("final norm");
    case TracePoint::Kind::Half:
        break;
    }
    return point.half == BlockHalf::Attention
               ? TracerPane::tr("block %1, after attention").arg(point.block)
               : TracerPane::tr("block %1, after the feed-forward half").arg(point.block);
}

ui::TracerDataPtr tracerPicture(const ProbeTrace& trace, const ProbeState& state, TokenFilter filter) {
    const ResidualTrace& t = trace.trace;
    auto data = std::make_shared<ui::TracerData>();
    const ModelSpec& spec = state.session()->model()->spec();
    data->blocks = int(spec.blocks.size());
    data->pointCount = 1 + 2 * data->blocks + (spec.head.norm ? 1 : 0);
    data->yTitle = TracerPane::tr("max |x|, residual (log)");
    data->limitText = TracerPane::tr("massive: %1").arg(ruleText(state.rule()));
    const TraceBand band = traceBand(t, filter);
    for (size_t i = 0; i < t.points.size(); ++i) {
        data->bandLow.push_back(band.median[i]);
        data->bandHigh.push_back(band.p99[i]);
        data->limit.push_back(std::max(state.rule().ratio * t.points[i].median, state.rule().floor));
        data->pointNames << tracePointName(t.points[i]);
        data->writers << QString::fromStdString(t.points[i].writer);
    }
    for (const int c : state.channels())
        data->lines.push_back(lineOf(trace, c, state.slotOf(c), filter, state.rule()));
    return data;
}

TracerPane::TracerPane(ProbeState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_row(new ui::ToolRow)
    , m_chips(new QWidget)
    , m_chipLayout(new QHBoxLayout(m_chips))
    , m_add(new QPushButton(tr("Add channel")))
    , m_tokens(new ui::SegmentedButtons)
    , m_chart(new ui::TracerChart) {
    setObjectName(QStringLiteral("tracerPane"));
    m_chart->setObjectName(QStringLiteral("tracer"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    makeToolRow();
    layout->addWidget(m_row);
    layout->addWidget(m_chart, 1);
    connect(m_chart, &ui::TracerChart::channelSelected, this, [this](int channel) {
        m_state->traceChannel(channel);
        emit channelSelected(channel);
    });
    connect(m_chart, &ui::TracerChart::removeRequested, state, &ProbeState::forgetChannel);
    connect(m_chart, &ui::TracerChart::pointActivated, this, [this](int point) {
        const QString writer = m_chart->data()->writers.value(point);
        if (!writer.isEmpty()) emit writerRequested(writer, m_chart->currentChannel());
    });
    connect(state, &ProbeState::channelsChanged, this, &TracerPane::showChannels);
    connect(state, &ProbeState::traceChanged, this, &TracerPane::showTrace);
    for (const auto signal : {&ProbeState::crosshairChanged, &ProbeState::mapChanged})
        connect(state, signal, this, &TracerPane::showAddable);
    connect(state, &ProbeState::requestChanged, this, [this] {
        if (!m_state->trace()) showTrace();
    });
    showChannels();
    showAddable();
}

void TracerPane::makeToolRow() {
    m_row->addTitle(tr("Outlier tracer"));
    m_row->addLabel(tr("channels"));
    m_chipLayout->setContentsMargins(0, 0, 0, 0);
    m_chipLayout->setSpacing(4);
    m_row->addWidget(m_chips);
    m_add->setObjectName(QStringLiteral("addChannel"));
    m_row->addWidget(m_add);
    m_row->addLabel(tr("tokens"));
    m_tokens->setObjectName(QStringLiteral("tokenClass"));
    m_tokens->addSegment(tr("All"));
    m_tokens->addSegment(tr("First"), tr("The first token and BOS"));
    m_tokens->addSegment(tr("Delimiters"), tr("Tokens of punctuation and white space alone"));
    m_tokens->addSegment(tr("Other"));
    m_tokens->setCurrentIndex(0);
    m_row->addWidget(m_tokens);
    m_row->addStretch();
    auto* note = new QLabel(tr("max over this window, log scale"));
    m_row->addOptional(note);
    connect(m_add, &QPushButton::clicked, this, [this] { m_state->traceChannel(m_state->crosshair().x()); });
    connect(m_tokens, &ui::SegmentedButtons::currentChanged, this, &TracerPane::showTrace);
}

TokenFilter TracerPane::filter() const {
    const int i = m_tokens->currentIndex();
    return i <= 0 ? TokenFilter() : TokenFilter::only(TokenClass(i - 1));
}

void TracerPane::showAddable() {
    const int channel = m_state->crosshair().x();
    const bool stream = m_state->mapIsStream();
    const QString why = channel < 0 ? tr("Click a cell of the map first.")
                        : !stream   ? tr("The channels of this site are not channels of the residual stream.")
                                    : QString();
    m_add->setEnabled(why.isEmpty());
    m_add->setText(why.isEmpty() ? tr("Add %1").arg(channel) : tr("Add channel"));
    m_add->setToolTip(why.isEmpty() ? tr("Follow channel %1 through the stream (T)").arg(channel) : why);
}

void TracerPane::showChannels() {
    while (QLayoutItem* item = m_chipLayout->takeAt(0)) {
        item->widget()->hide();
        item->widget()->deleteLater();
        delete item;
    }
    for (const int c : m_state->channels()) {
        auto* chip = new QToolButton;
        chip->setObjectName(QStringLiteral("channel%1").arg(c));
        chip->setText(QStringLiteral("%1 ×").arg(c));
        chip->setToolTip(tr("Channel %1: take it out of the tracer").arg(c));
        chip->setAccessibleName(chip->toolTip());
        connect(chip, &QToolButton::clicked, m_state, [this, c] { m_state->forgetChannel(c); });
        m_chipLayout->addWidget(chip);
    }
    showTrace();
}

void TracerPane::showTrace() {
    const auto trace = m_state->trace();
    if (!trace || !m_state->session()->model()) {
        auto empty = std::make_shared<ui::TracerData>();
        const QString why = m_state->blocker();
        empty->emptyText = !why.isEmpty()                ? why
                           : !m_state->error().isEmpty() ? m_state->error()
                                                         : tr("The stream is followed block by block");
        m_chart->setData(std::move(empty));
        return;
    }
    m_chart->setData(tracerPicture(*trace, *m_state, filter()));
    m_chart->setCurrentChannel(m_state->currentChannel());
}

} // namespace qs::app
