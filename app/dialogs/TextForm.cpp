// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/dialogs/TextForm.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"

#include <QComboBox>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>

namespace qs::app {

namespace {
constexpr int kCountDelayMs = 250;
constexpr int kMaxWindows = 100000;

QSpinBox* spin(int lo, int hi, const char* name, const QString& help) {
    auto* box = new QSpinBox;
    box->setRange(lo, hi);
    box->setGroupSeparatorShown(true);
    box->setObjectName(QString::fromLatin1(name));
    box->setToolTip(help);
    box->setFixedWidth(110);
    return box;
}
} // namespace

TextForm::TextForm(Session* session, FileDialogs* files, bool evaluation, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_files(files)
    , m_evaluation(evaluation)
    , m_source(new QComboBox)
    , m_preview(new ToneLabel) {
    const int context =
        session->model() && session->model()->hasForward() ? int(session->model()->spec().context) : 2048;
    m_length =
        spin(2, std::max(2, context), "windowLength",
             tr("Tokens per window. Every window is a context of its own; at most the model's context, %1.")
                 .arg(ui::integerText(context)));
    m_length->setSuffix(tr(" tokens"));
    m_length->setValue(std::min(context, evaluation ? 256 : 2048));
    m_windows = spin(
        1, kMaxWindows, "windows",
        evaluation
            ? tr("Windows scored, from the start of the text. More make the standard error smaller.")
            : tr("Windows read, from the start of the text. 128 is usual; more cost time in proportion."));
    m_windows->setValue(evaluation ? 64 : 128);
    m_source->setObjectName(QStringLiteral("textSource"));
    m_source->addItem(tr("Built-in text"), QString());
    m_source->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_source->setMinimumContentsLength(24);
    auto* choose = new QPushButton(tr("Choose file…"));
    choose->setAutoDefault(false); // Enter starts the dialog's work
    choose->setObjectName(QStringLiteral("chooseText"));
    auto* sourceRow = new QHBoxLayout;
    sourceRow->setSpacing(6);
    sourceRow->addWidget(m_source, 1);
    sourceRow->addWidget(choose);
    auto* form = new QFormLayout(this);
    form->setContentsMargins(0, 0, 0, 0);
    form->setHorizontalSpacing(12);
    form->addRow(tr("Text"), sourceRow);
    form->addRow(tr("Window length"), m_length);
    form->addRow(tr("Windows"), m_windows);
    form->addRow(QString(), m_preview);
    m_preview->setObjectName(QStringLiteral("textPreview"));
    m_preview->setMinimumHeight(2 * fontMetrics().lineSpacing());
    m_preview->setAlignment(Qt::AlignLeft | Qt::AlignTop);
    m_later.setSingleShot(true);
    m_later.setInterval(kCountDelayMs);
    connect(&m_later, &QTimer::timeout, this, &TextForm::count);
    connect(choose, &QPushButton::clicked, this, &TextForm::chooseFile);
    const auto recount = [this] {
        m_available = -1;
        m_problem.clear();
        showPreview();
        m_later.start();
    };
    connect(m_source, &QComboBox::currentIndexChanged, this, recount);
    connect(m_length, &QSpinBox::valueChanged, this, recount);
    connect(m_windows, &QSpinBox::valueChanged, this, &TextForm::showPreview);
    showPreview();
    count();
}

TextRequest TextForm::request() const {
    return {m_source->currentData().toString(), m_length->value(), m_windows->value()};
}

void TextForm::setRequest(const TextRequest& request) {
    if (!request.file.isEmpty() && QFileInfo::exists(request.file)) addFile(request.file);
    m_length->setValue(request.windowLength);
    m_windows->setValue(request.windows);
}

void TextForm::chooseFile() {
    m_files->ask(this,
                 {FileQuestion::Kind::OpenFile, tr("Choose a text"), tr("Text (*.txt *.md);;All files (*)")},
                 [this](const QString& path) { addFile(path); });
}

void TextForm::addFile(const QString& file) {
    int at = m_source->findData(file);
    if (at < 0) {
        m_source->addItem(QFileInfo(file).fileName(), file);
        at = m_source->count() - 1;
        m_source->setItemData(at, file, Qt::ToolTipRole);
    }
    m_source->setCurrentIndex(at);
}

void TextForm::count() {
    const auto model = m_session->model();
    if (!model) return;
    TextRequest all = request();
    all.windows = 0;
    const auto body = [model, all, evaluation = m_evaluation](const JobScope&) -> Outcome {
        auto windows = windowsFor(*model, all, evaluation);
        if (!windows) return windows.takeError();
        return Payload::of(int(windows->rows()));
    };
    JobHandle* job =
        m_session->pool()->post({QStringLiteral("count-tokens"), tr("Count tokens"), false, 8}, body);
    job->then(this, [this](const Outcome& outcome) {
        if (outcome.isCancelled()) return;
        const auto n = outcome.as<int>();
        m_available = n ? *n : 0;
        m_problem = outcome.failed() ? QString::fromStdString(outcome.error().describe()) : QString();
        showPreview();
    });
}

void TextForm::showPreview() {
    m_preview->setTone(m_problem.isEmpty() ? ToneLabel::Tone::Hint : ToneLabel::Tone::Error);
    if (!m_problem.isEmpty()) {
        m_preview->setText(m_problem);
    } else if (m_available < 0) {
        m_preview->setText(tr("Counting tokens"));
    } else {
        const int used = std::min(m_available, m_windows->value());
        const qint64 tokens = qint64(used) * m_length->value();
        QString text =
            tr("%1 windows × %2 = %3 tokens.", nullptr, used)
                .arg(ui::integerText(used), ui::integerText(m_length->value()), ui::integerText(tokens));
        text +=
            used < m_windows->value()
                ? tr(" The text gives no more.")
                : tr(" The text gives %1 windows.", nullptr, m_available).arg(ui::integerText(m_available));
        m_preview->setText(text);
    }
    emit readyChanged();
}

} // namespace qs::app
