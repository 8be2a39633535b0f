// The values that sliders and numbers move along, and longer texts.
export const sliders = ['loss', 'delay', 'reorder', 'dup', 'rate', 'queue', 'corrupt', 'every', 'messages', 'hosts', 'size'];

export const scales: Record<string, string[]> = {
  loss: ['0%', '0.5%', '1%', '2%', '3%', '4%', '5%', '7%', '10%', '15%', '20%', '30%', '50%'],
  dup: ['0%', '1%', '2%', '5%', '10%', '20%', '50%'],
  reorder: ['0%', '1%', '2%', '5%', '10%', '20%', '50%'],
  corrupt: ['0%', '1%', '2%', '5%', '10%', '20%', '50%'],
  delay: ['0s', '1ms', '2ms', '5ms', '10ms', '20ms', '30ms', '50ms', '100ms', '200ms', '500ms'],
  every: ['1ms', '2ms', '5ms', '10ms', '20ms', '50ms', '100ms', '200ms', '500ms', '1s'],
  messages: ['5', '10', '24', '50', '100', '200', '500', '1000'],
  hosts: ['2', '3', '5', '10', '20', '30', '50', '100', '200', '300'],
  size: ['100', '500', '1000', '1472', '1473', '2000', '4000', '8000', '16000', '65507', '65508'],
  rate: ['0', '64kbit', '128kbit', '256kbit', '512kbit', '1mbit', '2mbit', '5mbit', '10mbit', '100mbit'],
  queue: ['0', '2', '5', '10', '25', '50', '100', '500'],
  mtu: ['576', '1000', '1280', '1500', '9000'],
  seeds: ['1..5', '1..10', '1..30', '1..60'],
  until: ['5s', '10s', '30s', '60s'],
};

export const ownExample = `# Send and hope. What happens when the wire loses one?

def on_say(text):
    send(text)

def on_datagram(data):
    deliver(data)
`;
