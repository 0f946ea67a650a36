/*
 * Every text of the dashboard and the overlay, in both languages, in one table. {name} in a text
 * is filled in by text(). A key without a text is a mistake that tests/js finds.
 */
export const TEXTS = {
  /* the frame */
  title: ['Live sales', '实时销售'],
  skip: ['Skip to the figures', '跳到数据'],
  overview: ['Overview', '总览'],
  back: ['Back to the overview', '返回总览'],
  language: ['中文', 'English'],
  languageLabel: ['切换到中文', 'Switch to English'],
  theme: ['Theme', '主题'],
  themeAuto: ['Theme: as the system', '主题：跟随系统'],
  themeDark: ['Theme: dark', '主题：深色'],
  themeLight: ['Theme: light', '主题：浅色'],
  copyLink: ['Copy link', '复制链接'],
  copied: ['Link copied', '链接已复制'],
  copyByHand: ['Copy this address:', '请复制此地址：'],
  close: ['Close', '关闭'],
  csv: ['Download as CSV: {what}', '下载 CSV：{what}'],
  csvNothing: ['Nothing to save yet', '暂无可保存的内容'],
  figuresOf: ['figures of {time}', '数据截至 {time}'],

  /* the connection */
  connecting: ['Connecting…', '正在连接…'],
  live: ['Live', '实时'],
  reconnecting: ['Reconnecting, figures of {time}', '正在重连，数据截至 {time}'],
  reconnectingFirst: ['No answer yet, trying again', '暂无响应，正在重试'],
  stale: ['Stale since {time}', '自 {time} 起数据未更新'],
  closed: ['Disconnected: {reason}', '已断开：{reason}'],
  needToken: ['A token is needed', '需要令牌'],
  tokenTitle: ['This daemon asks for a token', '此服务需要令牌'],
  tokenHint: [
    'Paste a token that has the scope view. It stays in this tab and is never put into a link.',
    '请粘贴具有 view 权限的令牌。令牌仅保存在此标签页，不会写入链接。',
  ],
  tokenRefused: ['That token was refused: {reason}', '令牌被拒绝：{reason}'],
  tokenField: ['Token', '令牌'],
  tokenSend: ['Connect', '连接'],
  topicRefused: ['Not shown: {reason}', '无法显示：{reason}'],
  topicForbidden: ['this token may not see it', '此令牌无权查看'],
  tokenInvalid: ['it is not valid', '无效'],
  tokenExpired: ['it has expired', '已过期'],
  tokenRevoked: ['it was revoked', '已被撤销'],
  tokenScope: ['it lacks the scope view', '缺少 view 权限'],

  /* figures */
  soldToday: ['Sold today', '今日销售额'],
  soldSession: ['Sold in this session', '本场销售额'],
  today: ['Today', '今日'],
  allTime: ['All time', '累计'],
  gross: ['Gross', '销售额'],
  net: ['Net', '净销售额'],
  refunded: ['Refunded', '退款'],
  refunds: ['Refunds', '退款笔数'],
  orders: ['Orders', '订单'],
  units: ['Units', '件数'],
  returned: ['Units returned', '退货件数'],
  amount: ['Amount', '金额'],
  name: ['Name', '名称'],
  id: ['Id', '编号'],
  code: ['Code', '代码'],
  rank: ['Rank', '排名'],
  time: ['Time', '时间'],
  minute: ['Minute', '分钟'],
  period: ['Period', '期间'],
  asOf: ['As of', '数据截至'],
  inUnit: ['{what} ({unit})', '{what}（{unit}）'],
  spoken: [
    '{title}: {gross}, net {net}, {orders}',
    '{title}：{gross}，净额 {net}，{orders}',
  ],
  ordersOf: ['{orders} orders', '{orders} 单'],
  oneOrder: ['1 order', '1 单'],
  refundedOf: ['{amount} refunded', '退款 {amount}'],

  /* panels */
  chart: ['Sales by minute', '每分钟销售'],
  chartSpan: ['last 2 hours', '近 2 小时'],
  chartLabel: [
    'Bar chart of sales by minute in the last 2 hours: {gross} sold, {refunded} refunded, peak {peak} at {time}',
    '近 2 小时每分钟销售柱状图：销售 {gross}，退款 {refunded}，峰值 {peak}（{time}）',
  ],
  chartSimple: [
    'simple chart: this daemon was built without uPlot',
    '简化图表：此服务构建时未包含 uPlot',
  ],
  chartless: [
    'No chart here: sales by minute are kept of hosts, counties and sessions.',
    '此页没有图表：每分钟销售只按主播、县区和场次保存。',
  ],
  chartNone: ['No sales in the last 2 hours', '近 2 小时没有销售'],
  peak: ['peak {amount}', '峰值 {amount}'],
  hosts: ['Hosts', '主播'],
  counties: ['Counties', '县区'],
  products: ['Products', '商品'],
  byGross: ['by gross', '按销售额'],
  ofAll: ['{n} in all', '共 {n} 个'],
  noneToday: ['No sales yet today', '今日暂无销售'],
  noneYet: ['No sales yet', '暂无销售'],
  map: ['Provinces', '各省销售'],
  schematic: ['schematic', '示意图'],
  less: ['less', '少'],
  more: ['more', '多'],
  noSales: ['none', '无'],
  ticker: ['Latest orders', '最新订单'],
  tickerNone: ['Orders appear here as they are paid', '付款的订单会显示在这里'],
  product: ['Product', '商品'],
  host: ['Host', '主播'],
  county: ['County', '县区'],
  province: ['Province', '省份'],
  session: ['Session', '直播场次'],
  sessions: ['Sessions', '直播场次'],

  /* sessions */
  goal: ['Goal', '目标'],
  goalOf: ['{percent} of {amount}', '已完成 {percent}，目标 {amount}'],
  goalNone: ['No goal set', '未设目标'],
  goalReached: ['Goal reached', '目标已达成'],
  startsIn: ['Starts in', '距开始'],
  endsIn: ['Ends in', '距结束'],
  ended: ['Ended', '已结束'],
  endedAt: ['ended {time}', '结束于 {time}'],
  endsAt: ['ends {time}', '结束时间 {time}'],
  startsAt: ['starts {time}', '开始时间 {time}'],
  endOpen: ['No end set', '未设结束时间'],

  /* search */
  search: ['Find a name or an id', '查找名称或编号'],
  searchHint: [
    'Searches what this page has seen and the names of counties. Any id can be opened.',
    '仅搜索本页已显示的名称和县区名；任何编号都可直接打开。',
  ],
  searchSeen: ['Results: {n}', '结果：{n}'],
  openHost: ['Open as host', '按主播打开'],
  openSession: ['Open as session', '按直播场次打开'],
  openProduct: ['Open as product', '按商品打开'],
  openCounty: ['Open as county', '按县区打开'],
  openProvince: ['Open as province', '按省份打开'],

  /* wrong addresses */
  noScreen: ['There is nothing at this address', '此地址没有内容'],
  noScreenHint: [
    'Addresses look like #/host/ID, #/county/422828, #/product/ID, #/session/ID, #/province/42.',
    '地址形如 #/host/编号、#/county/422828、#/product/编号、#/session/编号、#/province/42。',
  ],
};

const COLUMN = { en: 0, zh: 1 };

/* The text of `key` in `lang`, with {names} taken from `values`. */
export function text(lang, key, values = {}) {
  return TEXTS[key][COLUMN[lang]].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
