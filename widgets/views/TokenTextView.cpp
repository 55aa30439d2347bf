// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/TokenTextView.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <QAccessible>
#include <QHash>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPaintEvent>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kTintMost = 0.85;
constexpr double kMargin = 14, kLineFactor = 1.55;
constexpr double kSlack = 2; ///< tint around the ink

bool breaksLine(const QString& text) {
    return text.contains(QLatin1Char('\n'));
}

/// Without line breaks; a token that is nothing else shows a return arrow, so that it can be seen and chosen.
QString visible(QString text) {
    text.remove(QLatin1Char('\r'));
    const bool broke = breaksLine(text);
    text.remove(QLatin1Char('\n'));
    text.replace(QLatin1Char('\t'), QLatin1String("    "));
    if (broke && text.trimmed().isEmpty()) return QStringLiteral("↵");
    return text;
}

qsizetype leadingBlanks(const QString& text) {
    qsizetype n = 0;
    while (n < text.size() && text[n].isSpace())
        ++n;
    return n;
}

} // namespace

double tokenTintAlpha(double kl) {
    if (!(kl > kTintLow)) return 0;
    return kTintMost * std::min(1.0, std::log(kl / kTintLow) / std::log(kTintHigh / kTintLow));
}

QColor tokenTint(double kl) {
    QColor c = theme().tokenTint;
    c.setAlphaF(float(tokenTintAlpha(kl)));
    return c;
}

TokenTextView::TokenTextView(QWidget* parent) : QAbstractScrollArea(parent) {
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    viewport()->setMouseTracking(true);
    setAccessibleName(tr("Text by token"));
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, viewport(), qOverload<>(&QWidget::update));
}

QFont TokenTextView::textFont() const {
    QFont f = bodyFont();
    f.setPointSizeF(f.pointSizeF() * 13 / 12); // passage text, TOKENS: 13 px where the body has 12
    return f;
}

void TokenTextView::setData(TokenTextPtr data) {
    m_data = std::move(data);
    m_layout.width = -1;
    m_hover = -1;
    if (m_current >= (m_data ? m_data->tokens.size() : 0)) m_current = -1;
    setAccessibleName(m_data && !m_data->name.isEmpty() ? m_data->name : tr("Text by token"));
    updateScrollBar();
    viewport()->update();
}

TokenTextView::Layout TokenTextView::layoutFor(double width) const {
    Layout l;
    l.width = width;
    if (!m_data) return l;
    const QFontMetricsF fm(textFont());
    l.lineHeight = std::ceil(fm.height() * kLineFactor);
    const double left = kMargin, right = std::max(left + 40, width - kMargin);
    const auto& tokens = m_data->tokens;
    QHash<QString, double> measured; // the same few thousand pieces make every text
    const auto advanceOf = [&](const QString& text) {
        const auto known = measured.constFind(text);
        return known != measured.constEnd() ? *known : *measured.insert(text, fm.horizontalAdvance(text));
    };
    QVector<QString> texts;
    QVector<double> advances;
    for (const TextToken& t : tokens) {
        texts << visible(t.text);
        advances << advanceOf(texts.back());
    }
    double x = left;
    int line = 0;
    for (qsizetype i = 0; i < tokens.size(); ++i) {
        const qsizetype blanks = leadingBlanks(texts[i]);
        const bool startsWord = i == 0 || blanks > 0 || x == left;
        double word = advances[i]; // a word of several tokens stays together
        for (qsizetype k = i + 1; startsWord && k < tokens.size() && !texts[k].isEmpty() &&
                                  leadingBlanks(texts[k]) == 0 && !breaksLine(tokens[k - 1].text);
             ++k)
            word += advances[k];
        const bool full = x + (word <= right - left ? word : advances[i]) > right;
        if (x > left && full && (startsWord || x + advances[i] > right)) {
            x = left;
            ++line;
        }
        const bool fresh = x == left;
        const double gap = fresh ? 0 : advanceOf(texts[i].left(blanks));
        const QString ink = blanks == texts[i].size() ? texts[i] : texts[i].mid(blanks);
        const double inkWidth = advanceOf(ink);
        const double top = kMargin / 2 + line * l.lineHeight + (l.lineHeight - fm.height()) / 2;
        l.tokens.push_back(
            {QRectF(x + (blanks == texts[i].size() ? 0 : gap), top, inkWidth, fm.height()), ink, line});
        x += (blanks == texts[i].size() ? inkWidth : gap + inkWidth);
        if (breaksLine(tokens[i].text)) {
            line += int(std::min<qsizetype>(2, tokens[i].text.count(QLatin1Char('\n'))));
            x = left;
        }
    }
    l.height = kMargin + (line + 1) * l.lineHeight;
    return l;
}

const TokenTextView::Layout& TokenTextView::current() const {
    if (m_layout.width != viewport()->width()) m_layout = layoutFor(viewport()->width());
    return m_layout;
}

void TokenTextView::updateScrollBar() {
    const Layout& l = current();
    verticalScrollBar()->setRange(0, std::max(0, int(std::ceil(l.height)) - viewport()->height()));
    verticalScrollBar()->setPageStep(viewport()->height());
    verticalScrollBar()->setSingleStep(int(l.lineHeight));
}

QRectF TokenTextView::tokenRect(int token) const {
    const Layout& l = current();
    if (token < 0 || token >= l.tokens.size()) return {};
    return l.tokens[token].rect.translated(0, -verticalScrollBar()->value());
}

int TokenTextView::lineOf(int token) const {
    const Layout& l = current();
    return token < 0 || token >= l.tokens.size() ? -1 : l.tokens[token].line;
}

int TokenTextView::tokenAt(const QPointF& viewportPos) const {
    const Layout& l = current();
    const QPointF at = viewportPos + QPointF(0, verticalScrollBar()->value());
    // Tokens stand in order of their lines: the first that does not end above.
    auto it = std::lower_bound(l.tokens.begin(), l.tokens.end(), at.y(),
                               [](const Placed& p, double y) { return p.rect.bottom() < y; });
    for (; it != l.tokens.end() && it->rect.top() <= at.y(); ++it)
        if (it->rect.adjusted(-kSlack, 0, kSlack, 0).contains(at)) return int(it - l.tokens.begin());
    return -1;
}

void TokenTextView::paintTokens(QPainter& painter, const Layout& layout, const QRectF& visibleRect,
                                bool interactive) const {
    const Theme& t = theme();
    painter.setFont(textFont());
    painter.setRenderHint(QPainter::Antialiasing);
    const double ascent = QFontMetricsF(textFont()).ascent();
    auto it = std::lower_bound(layout.tokens.begin(), layout.tokens.end(), visibleRect.top(),
                               [](const Placed& p, double y) { return p.rect.bottom() < y; });
    for (; it != layout.tokens.end() && it->rect.top() <= visibleRect.bottom(); ++it) {
        const int i = int(it - layout.tokens.begin());
        const TextToken& token = m_data->tokens[i];
        const QRectF box = it->rect.adjusted(-kSlack, -1, kSlack, 1);
        if (tokenTintAlpha(token.kl) > 0) {
            painter.setPen(Qt::NoPen);
            painter.setBrush(tokenTint(token.kl));
            painter.drawRoundedRect(box, 3, 3);
        }
        if (i == m_data->mark) {
            painter.setPen(QPen(t.error, 2));
            painter.drawLine(QPointF(box.left() - 1, box.top()), QPointF(box.left() - 1, box.bottom()));
        }
        painter.setPen(i < m_data->prompt ? t.text2 : t.text);
        painter.drawText(QPointF(it->rect.left(), it->rect.top() + ascent), it->text);
        if (token.flip) {
            painter.setPen(QPen(t.error, 2, Qt::SolidLine, Qt::FlatCap));
            painter.drawLine(box.bottomLeft() + QPointF(1, 1), box.bottomRight() + QPointF(-1, 1));
        }
        if (interactive && (i == m_current || i == m_hover)) {
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(t.accent, i == m_current ? 2 : 1));
            painter.drawRoundedRect(box.adjusted(-1, -1, 1, 2), 3, 3);
        }
    }
}

void TokenTextView::paintEvent(QPaintEvent*) {
    QPainter p(viewport());
    p.fillRect(viewport()->rect(), theme().base);
    if (!m_data || m_data->tokens.isEmpty()) {
        p.setPen(theme().text3);
        p.drawText(viewport()->rect().adjusted(16, 8, -16, -8), Qt::AlignCenter | Qt::TextWordWrap,
                   m_data ? m_data->emptyText : QString());
        return;
    }
    const double scroll = verticalScrollBar()->value();
    p.translate(0, -scroll);
    paintTokens(p, current(), QRectF(0, scroll, viewport()->width(), viewport()->height()), true);
    if (!hasFocus() || m_current >= 0) return;
    p.resetTransform();
    p.setRenderHint(QPainter::Antialiasing, false);
    p.setBrush(Qt::NoBrush);
    p.setPen(QPen(theme().accent, 1));
    p.drawRect(viewport()->rect().adjusted(0, 0, -1, -1));
}

void TokenTextView::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    if (!m_data) return;
    painter.save();
    painter.setClipRect(QRect(QPoint(0, 0), size));
    paintTokens(painter, layoutFor(size.width()), QRectF(QPointF(0, 0), size), false);
    painter.restore();
}

QString TokenTextView::toCsv() const {
    QString csv = QStringLiteral("token,text,\"KL, nats\",flip\n");
    for (qsizetype i = 0; m_data && i < m_data->tokens.size(); ++i) {
        const TextToken& t = m_data->tokens[i];
        csv += QString::number(i) + QLatin1Char(',') + csvField(t.text) + QLatin1Char(',') + csvNumber(t.kl) +
               (t.flip ? QStringLiteral(",1\n") : QStringLiteral(",0\n"));
    }
    return csv;
}

QString TokenTextView::pictureName() const {
    return accessibleName();
}

QString TokenTextView::describe(int token) const {
    if (!m_data || token < 0 || token >= m_data->tokens.size()) return {};
    const TextToken& t = m_data->tokens[token];
    QString text = tr("“%1”, token %2").arg(visible(t.text).trimmed()).arg(token);
    if (std::isnan(t.kl)) return text;
    text += QLatin1Char('\n') +
            tr("KL to the original %1 nats; below 0.03 is hard to notice").arg(formatNumber(t.kl, 3));
    if (t.flip) text += QLatin1Char('\n') + tr("the most likely token is not the original's");
    return text;
}

bool TokenTextView::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        auto* help = static_cast<QHelpEvent*>(event);
        const QString text = describe(tokenAt(help->pos()));
        if (text.isEmpty())
            QToolTip::hideText();
        else
            QToolTip::showText(help->globalPos(), text, viewport());
        return true;
    }
    if (event->type() == QEvent::MouseMove || event->type() == QEvent::Leave) {
        const int hover =
            event->type() == QEvent::Leave ? -1 : tokenAt(static_cast<QMouseEvent*>(event)->position());
        if (hover != m_hover) {
            m_hover = hover;
            viewport()->update();
            emit tokenHovered(hover);
        }
    }
    return QAbstractScrollArea::viewportEvent(event);
}

void TokenTextView::setCurrentToken(int token) {
    if (token >= (m_data ? m_data->tokens.size() : 0)) token = -1;
    if (token == m_current) return;
    m_current = token;
    ensureVisible(token);
    viewport()->update();
}

void TokenTextView::choose(int token) {
    if (token == m_current) return;
    setCurrentToken(token);
    setAccessibleDescription(describe(token));
    QAccessibleEvent change(this, QAccessible::DescriptionChanged);
    QAccessible::updateAccessibility(&change);
    emit currentTokenChanged(token);
}

void TokenTextView::ensureVisible(int token) {
    const QRectF r = tokenRect(token);
    if (r.isEmpty()) return;
    QScrollBar* bar = verticalScrollBar();
    if (r.top() < 0) bar->setValue(bar->value() + int(std::floor(r.top())) - 6);
    if (r.bottom() > viewport()->height())
        bar->setValue(bar->value() + int(std::ceil(r.bottom())) - viewport()->height() + 6);
}

/// The token nearest in x, `lines` lines away.
int TokenTextView::verticalNeighbour(int lines) const {
    const Layout& l = current();
    if (m_current < 0) return l.tokens.isEmpty() ? -1 : 0;
    const int last = l.tokens.back().line;
    int line = l.tokens[m_current].line, best = -1;
    const double x = l.tokens[m_current].rect.center().x();
    while (best < 0) { // an empty line has no token
        line += lines;
        if (line < 0 || line > last) return m_current;
        for (int i = 0; i < l.tokens.size(); ++i)
            if (l.tokens[i].line == line && (best < 0 || std::abs(l.tokens[i].rect.center().x() - x) <
                                                             std::abs(l.tokens[best].rect.center().x() - x)))
                best = i;
    }
    return best;
}

void TokenTextView::keyPressEvent(QKeyEvent* event) {
    const int count = m_data ? int(m_data->tokens.size()) : 0;
    const int key = event->key();
    int next = m_current;
    if (count == 0) return QAbstractScrollArea::keyPressEvent(event);
    if (key == Qt::Key_Right)
        next = std::min(count - 1, m_current + 1);
    else if (key == Qt::Key_Left)
        next = std::max(0, m_current - 1);
    else if (key == Qt::Key_Down || key == Qt::Key_Up)
        next = verticalNeighbour(key == Qt::Key_Down ? 1 : -1);
    else if (key == Qt::Key_Home)
        next = 0;
    else if (key == Qt::Key_End)
        next = count - 1;
    else if (key == Qt::Key_Escape && m_current >= 0)
        next = -1;
    else if ((key == Qt::Key_Return || key == Qt::Key_Enter) && m_current >= 0)
        emit tokenActivated(m_current);
    else
        return QAbstractScrollArea::keyPressEvent(event);
    choose(next);
    event->accept();
}

void TokenTextView::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) choose(tokenAt(event->position()));
}

void TokenTextView::mouseDoubleClickEvent(QMouseEvent* event) {
    const int token = tokenAt(event->position());
    if (token >= 0) emit tokenActivated(token);
}

void TokenTextView::resizeEvent(QResizeEvent* event) {
    QAbstractScrollArea::resizeEvent(event);
    updateScrollBar();
}

void TokenTextView::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() != QEvent::FontChange && event->type() != QEvent::StyleChange) return;
    m_layout.width = -1;
    updateScrollBar();
}

void TokenTextView::focusInEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusInEvent(event);
    viewport()->update();
}
void TokenTextView::focusOutEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusOutEvent(event);
    viewport()->update();
}
void TokenTextView::scrollContentsBy(int, int) {
    viewport()->update();
}

} // namespace qs::ui
